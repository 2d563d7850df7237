//! Which virtual servers a request means, and a listing without what was not asked for.

use serde::{Deserialize, Serialize, Serializer};
use xvs_types::{
    EffectiveMethod, Endpoint, Family, Protocol, RealServer, RealServerListing, ServerScope,
    VirtualServer, VirtualServerId, VirtualServerListing,
};

use super::{Code, Problem, Target};

/// The query string of `GET /v1/virtual-servers`. One virtual server is named by `proto` and `vip`, as
/// in `?proto=tcp&vip=192.0.2.1:80`, or by `mark` and `family`; without them all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerQuery {
    /// The protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<Protocol>,
    /// VIP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Target>,
    /// The firewall mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// The family of the firewall mark's packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Whether totals and rates are wanted; default yes. Without them the answer has no `counters`
    /// and no `rates`, and is half as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<bool>,
}

impl ServerQuery {
    /// What the listing shall hold.
    ///
    /// # Errors
    ///
    /// When it names a virtual server by half, or in both ways.
    pub fn scope(&self) -> Result<ServerScope, Problem> {
        let only = match (self.proto, self.vip, self.mark, self.family) {
            (None, None, None, None) => None,
            (
                Some(protocol),
                Some(Target {
                    address,
                    port: Some(port),
                }),
                None,
                None,
            ) => Some(VirtualServerId::Address {
                protocol,
                endpoint: Endpoint::new(address, port),
            }),
            (None, None, Some(mark), Some(family)) => Some(VirtualServerId::Mark { family, mark }),
            _ => {
                return Err(Problem::new(
                    Code::BadRequest,
                    "a virtual server is named by `proto` and `vip` with its port, or by `mark` and `family`",
                ));
            }
        };
        Ok(ServerScope {
            only,
            counters: self.counters.unwrap_or(true),
        })
    }
}

impl From<&ServerScope> for ServerQuery {
    fn from(scope: &ServerScope) -> Self {
        let mut query = Self {
            counters: (!scope.counters).then_some(false),
            ..Self::default()
        };
        match scope.only {
            Some(VirtualServerId::Address { protocol, endpoint }) => {
                query.proto = Some(protocol);
                query.vip = Some(Target {
                    address: endpoint.address,
                    port: Some(endpoint.port),
                });
            }
            Some(VirtualServerId::Mark { family, mark }) => {
                query.mark = Some(mark);
                query.family = Some(family);
            }
            None => {}
        }
        query
    }
}

/// A listing as it is sent without totals and rates: half as much to write, to send and to read.
pub(crate) struct WithoutCounters<'a>(pub(crate) &'a [VirtualServerListing]);

impl Serialize for WithoutCounters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|listing| VirtualServerOnly {
            config: &listing.config,
            real_servers: RealServersOnly(&listing.real_servers),
        }))
    }
}

#[derive(Serialize)]
struct VirtualServerOnly<'a> {
    config: &'a VirtualServer,
    real_servers: RealServersOnly<'a>,
}

struct RealServersOnly<'a>(&'a [RealServerListing]);

impl Serialize for RealServersOnly<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|listing| RealServerOnly {
            config: &listing.config,
            effective: listing.effective,
            active: listing.active,
            inactive: listing.inactive,
            persistent: listing.persistent,
        }))
    }
}

#[derive(Serialize)]
struct RealServerOnly<'a> {
    config: &'a RealServer,
    effective: EffectiveMethod,
    active: u32,
    inactive: u32,
    persistent: u32,
}

#[cfg(test)]
mod tests {
    use xvs_types::{Counters, Rates};

    use super::*;

    fn ids() -> [VirtualServerId; 3] {
        let mark = |family| VirtualServerId::Mark { family, mark: 7 };
        [
            VirtualServerId::udp("[2001:db8::1]:53".parse().unwrap()),
            mark(Family::V4),
            mark(Family::V6),
        ]
    }

    #[test]
    fn a_query_string_says_what_the_scope_said() {
        let scopes = ids()
            .into_iter()
            .map(Some)
            .chain([None])
            .flat_map(|only| [true, false].map(|counters| ServerScope { only, counters }));
        for scope in scopes {
            let text = serde_urlencoded::to_string(ServerQuery::from(&scope)).unwrap();
            let query: ServerQuery = serde_urlencoded::from_str(&text).unwrap();
            assert_eq!(query.scope(), Ok(scope), "{text}");
        }
    }

    #[test]
    fn half_a_name_and_two_names_are_refused() {
        for text in [
            "vip=192.0.2.1:80",
            "proto=tcp&vip=192.0.2.1",
            "mark=7",
            "proto=tcp&vip=192.0.2.1:80&mark=7",
        ] {
            let query: ServerQuery = serde_urlencoded::from_str(text).unwrap();
            let problem = query.scope().unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{text}");
        }
    }

    #[test]
    fn a_listing_without_counters_is_read_as_one_with_none() {
        let [id, ..] = ids();
        let listing = VirtualServerListing {
            config: VirtualServer::new(id),
            counters: Counters {
                connections: 3,
                ..Counters::default()
            },
            rates: Rates::default(),
            real_servers: vec![RealServerListing {
                config: RealServer::new("[2001:db8::2]:53".parse().unwrap()),
                effective: EffectiveMethod::Local,
                active: 1,
                inactive: 2,
                persistent: 3,
                counters: Counters {
                    bytes_in: 9,
                    ..Counters::default()
                },
                rates: Rates::default(),
            }],
        };
        let text = serde_json::to_string(&WithoutCounters(std::slice::from_ref(&listing))).unwrap();
        assert!(
            !text.contains("counters") && !text.contains("rates"),
            "{text}"
        );
        let read: Vec<VirtualServerListing> = serde_json::from_str(&text).unwrap();
        let mut bare = listing;
        bare.counters = Counters::default();
        bare.real_servers[0].counters = Counters::default();
        assert_eq!(read, [bare]);
    }
}
