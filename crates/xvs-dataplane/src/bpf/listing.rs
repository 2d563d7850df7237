//! What the maps say: virtual servers with their counts, and connections.

use std::{collections::HashMap as StdMap, time::Duration};

use xvs_datapath::{
    abi::{
        Method, OverflowKey, RATE_OF_VIRTUAL, Rate, RealServer as RealSlot, Settings, Tag, low32,
        real_server_flag, wide,
    },
    state::{sctp, tcp, template},
    table::{V4, V6},
};
use xvs_types::{
    ConnectionListing, ConnectionState, Counters, EffectiveMethod, Endpoint, ForwardingMethod,
    Protocol, Rates, RealServer, RealServerListing, Rule, ServerScope, VirtualServerId,
    VirtualServerListing,
};

use super::{
    Bpf,
    address::endpoint,
    servers::Recycled,
    table::{Clock, Live, Record, Table},
};
use crate::ConnectionFilter;

/// Cursors of IPv6 connections begin here.
const V6_CURSORS: u64 = 1 << 40;

impl Bpf {
    pub(super) fn list_virtual_servers(&self, scope: &ServerScope) -> Vec<VirtualServerListing> {
        let rules = match &scope.only {
            Some(id) => self.rules.rule(id).map_or(&[][..], std::slice::from_ref),
            None => self.rules.rules(),
        };
        // Only what is wanted is looked for in the tables.
        let live = (scope.counters && !rules.is_empty()).then(|| self.live());
        rules
            .iter()
            .filter_map(|rule| self.list_virtual_server(rule, live.as_ref()))
            .collect()
    }

    fn list_virtual_server(
        &self,
        (config, real_servers): &Rule,
        live: Option<&StdMap<u32, Live>>,
    ) -> Option<VirtualServerListing> {
        let slot = self.servers.slot_of(&config.id)?;
        let mut listed = Vec::with_capacity(real_servers.len());
        let found = real_servers.iter().rev();
        listed.extend(
            found.filter_map(|server| self.list_real_server(slot, &config.id, server, live)),
        );
        Some(VirtualServerListing {
            config: config.clone(),
            counters: live.map_or_else(Counters::default, |live| self.virtual_counters(slot, live)),
            rates: live.map_or_else(Rates::default, |_| self.virtual_estimators.rates(slot)),
            real_servers: listed,
        })
    }

    fn list_real_server(
        &self,
        virtual_slot: u32,
        id: &VirtualServerId,
        server: &RealServer,
        live: Option<&StdMap<u32, Live>>,
    ) -> Option<RealServerListing> {
        let slot = self.servers.real_of_rule(virtual_slot, id, server)?;
        let found = self.servers.real_servers.read(slot)?;
        Some(RealServerListing {
            config: *server,
            effective: effective(&found, server.method),
            active: found.active,
            inactive: found.inactive,
            persistent: found.persistent,
            counters: live.map_or_else(Counters::default, |live| real_counters(slot, &found, live)),
            rates: live.map_or_else(Rates::default, |_| self.estimators.rates(slot)),
        })
    }

    /// Totals of a virtual server: those of its real servers, living and gone.
    fn virtual_counters(&self, slot: u32, live: &StdMap<u32, Live>) -> Counters {
        let mut sum = self.servers.bygone(slot);
        for real in self.servers.reals_of(slot) {
            if let Some(found) = self.servers.real_servers.read(real) {
                add(&mut sum, &real_counters(real, &found, live));
            }
        }
        sum.connections = self
            .servers
            .virtual_servers
            .read(slot)
            .map_or(0, |found| found.connections);
        sum
    }

    /// Takes a sample for the rates, from what the sweep counted. Work is done for what moves: a
    /// server without packets and rates costs a look.
    pub(super) fn sample(&mut self) {
        let live = self.tallied();
        let now = self.now();
        for slot in 0..self.servers.reached() {
            let Some(found) = self.servers.real_servers.read(slot) else {
                break;
            };
            if found.flags & real_server_flag::IN_USE == 0 {
                continue;
            }
            let counters = real_counters(slot, &found, &live);
            if let Some(rate) = self.estimators.sample(slot, &counters, now) {
                self.keep_rate(slot, rate);
                self.moving.insert(found.virtual_server);
            }
        }
        for slot in std::mem::take(&mut self.moving) {
            let counters = self.virtual_counters(slot, &live);
            if let Some(rate) = self.virtual_estimators.sample(slot, &counters, now) {
                self.keep_rate(slot | RATE_OF_VIRTUAL, rate);
                self.moving.insert(slot);
            }
        }
    }

    /// Notes an estimator for the next daemon; one that has come to rest needs none.
    fn keep_rate(&mut self, key: u32, rate: Rate) {
        if rate.rates == [0; 5] {
            self.rates.remove(&key);
        } else if let Err(error) = self.rates.insert(key, rate) {
            tracing::debug!(%error, key, "a rate would not outlive the daemon");
        }
    }

    /// Takes up the rates where the last daemon left them.
    pub(super) fn adopt_rates(&mut self) {
        // Until the first pass has ended, samples have this of the living connections.
        self.table4.count(&mut self.tally4.live);
        self.table6.count(&mut self.tally6.live);
        let live = self.tallied();
        let now = self.now();
        let slots: Vec<u32> = self.servers.real_slots().collect();
        for slot in slots {
            if let Some(found) = self.servers.real_servers.read(slot) {
                let counters = real_counters(slot, &found, &live);
                let kept = self.rates.get(&slot);
                self.estimators.adopt(slot, &counters, now, self.hz, kept);
            }
        }
        for id in self.servers.ids() {
            if let Some(slot) = self.servers.slot_of(&id) {
                let counters = self.virtual_counters(slot, &live);
                let kept = self.rates.get(&(slot | RATE_OF_VIRTUAL));
                self.virtual_estimators
                    .adopt(slot, &counters, now, self.hz, kept);
                self.moving.insert(slot);
            }
        }
    }

    /// Makes the totals of a virtual server nought and leaves those of its real servers.
    pub(super) fn restart_virtual(&mut self, slot: u32, live: &StdMap<u32, Live>) {
        self.servers.set_bygone(slot, &Counters::default());
        let counted = self.virtual_counters(slot, live);
        let nought = Counters {
            connections: 0,
            packets_in: counted.packets_in.wrapping_neg(),
            packets_out: counted.packets_out.wrapping_neg(),
            bytes_in: counted.bytes_in.wrapping_neg(),
            bytes_out: counted.bytes_out.wrapping_neg(),
        };
        self.servers.set_bygone(slot, &nought);
        self.servers.zero_virtual(slot);
    }

    /// Keeps what real servers counted whose slots were given back.
    pub(super) fn note_bygone(&mut self, recycled: &Recycled) {
        for (slot, found) in &recycled.real_servers {
            self.estimators.reset(*slot);
            self.rates.remove(slot);
            if self.servers.id_of(found.virtual_server).is_some() {
                let mut bygone = self.servers.bygone(found.virtual_server);
                add(&mut bygone, &real_counters(*slot, found, &StdMap::new()));
                self.servers.set_bygone(found.virtual_server, &bygone);
            }
        }
        for slot in &recycled.virtual_servers {
            self.virtual_estimators.reset(*slot);
            self.rates.remove(&(slot | RATE_OF_VIRTUAL));
        }
    }

    /// Zeroes the counters of a virtual server, or of all.
    pub(super) fn zero(&mut self, id: Option<&VirtualServerId>) {
        let slots: Vec<u32> = match id {
            Some(id) => self.servers.slot_of(id).into_iter().collect(),
            None => self
                .rules
                .rules()
                .iter()
                .filter_map(|(server, _)| self.servers.slot_of(&server.id))
                .collect(),
        };
        let live = self.live();
        for slot in slots {
            self.servers.set_bygone(slot, &Counters::default());
            self.virtual_estimators.reset(slot);
            self.rates.remove(&(slot | RATE_OF_VIRTUAL));
            for real in self.servers.reals_of(slot) {
                let counted = live.get(&real).copied().unwrap_or_default();
                // The totals of retired entries become what cancels the living ones.
                self.servers.zero_real(real, &counted);
                self.estimators.reset(real);
                self.rates.remove(&real);
            }
            self.servers.zero_virtual(slot);
        }
    }

    pub(super) fn list_connections(
        &self,
        filter: &ConnectionFilter,
        cursor: u64,
        now: u32,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Option<u64> {
        let settings = self.settings.read(0)?;
        let mut stopped = None;
        if cursor < V6_CURSORS {
            let begin = low32(cursor);
            self.pages::<V4>(&self.table4, begin, now, &settings, filter, visit, |next| {
                stopped = Some(wide(next));
            });
            if stopped.is_some() {
                return stopped;
            }
        }
        let begin = low32(cursor.saturating_sub(V6_CURSORS));
        self.pages::<V6>(&self.table6, begin, now, &settings, filter, visit, |next| {
            stopped = Some(V6_CURSORS + wide(next));
        });
        stopped
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call for each family, of what the listing was asked with"
    )]
    fn pages<F>(
        &self,
        table: &Table<F>,
        begin: u32,
        now: u32,
        settings: &Settings,
        filter: &ConnectionFilter,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
        mut stop: impl FnMut(u32),
    ) where
        F: xvs_datapath::table::Family,
        super::plain::Plain<F::Entry>: aya::Pod,
    {
        table.visit(now, begin, &mut |record, next| {
            let Some(listing) = self.describe(&record, F::V6, settings) else {
                return true;
            };
            if !filter.matches(&listing) || visit(listing) {
                return true;
            }
            stop(next);
            false
        });
    }

    pub(super) fn end_connections(&mut self, filter: &ConnectionFilter, now: u32) -> u64 {
        let Some(settings) = self.settings.read(0) else {
            return 0;
        };
        // The tables are lent out of the dataplane while they ask it what their records mean.
        let mut victims4 = std::collections::HashSet::new();
        let mut victims6 = std::collections::HashSet::new();
        self.table4.visit(now, 0, &mut |record, _next| {
            if self.matches(&record, false, &settings, filter) {
                victims4.insert((
                    record.tuple.source,
                    record.tuple.destination,
                    record.tuple.ports,
                    record.tag.protocol(),
                    record.tag.template(),
                ));
            }
            true
        });
        self.table6.visit(now, 0, &mut |record, _next| {
            if self.matches(&record, true, &settings, filter) {
                victims6.insert((
                    record.tuple.source,
                    record.tuple.destination,
                    record.tuple.ports,
                    record.tag.protocol(),
                    record.tag.template(),
                ));
            }
            true
        });
        let key = |record: &Record| {
            (
                record.tuple.source,
                record.tuple.destination,
                record.tuple.ports,
                record.tag.protocol(),
                record.tag.template(),
            )
        };
        let reals = &self.servers.real_servers;
        self.table4
            .end(now, reals, &mut |record| victims4.contains(&key(record)))
            + self
                .table6
                .end(now, reals, &mut |record| victims6.contains(&key(record)))
    }

    fn matches(
        &self,
        record: &Record,
        ipv6: bool,
        settings: &Settings,
        filter: &ConnectionFilter,
    ) -> bool {
        self.describe(record, ipv6, settings)
            .is_some_and(|listing| filter.matches(&listing))
    }

    /// The Call-ID that a template is of.
    fn call_id_of(&self, record: &Record) -> Option<String> {
        if !record.tag.template() || record.tuple == record.recipe {
            return None;
        }
        let key = OverflowKey {
            source: record.tuple.source,
            destination: record.tuple.destination,
            ports: record.tuple.ports,
            identity: u32::from(record.tag.protocol()) << 8 | low32(Tag::TEMPLATE),
        };
        let call_id = self.call_ids.get(&key)?;
        Some(String::from_utf8_lossy(call_id.name()).into_owned())
    }

    fn describe(
        &self,
        record: &Record,
        ipv6: bool,
        settings: &Settings,
    ) -> Option<ConnectionListing> {
        let server = self.servers.real_servers.read(record.real_server)?;
        let tag = record.tag;
        let method = if tag.template() {
            server.method
        } else {
            tag.method()
        };
        // A template's key may have a digest in place of what it is of.
        let tuple = if tag.template() {
            &record.recipe
        } else {
            &record.tuple
        };
        let virtual_endpoint = endpoint(&tuple.destination, tuple.destination_port(), ipv6);
        let templates = |index: u16| {
            self.servers
                .virtual_servers
                .read(index.into())
                .map_or(0, |found| found.persistence)
        };
        let clock = Clock {
            now: 0,
            settings,
            templates: &templates,
        };
        let left = clock
            .timeout(tag, record.virtual_server)
            .saturating_sub(record.age);
        Some(ConnectionListing {
            protocol: Protocol::from_number(tag.protocol()),
            client: endpoint(&tuple.source, tuple.source_port(), ipv6),
            virtual_endpoint,
            virtual_server: self.servers.id_of(record.virtual_server.into()),
            real_endpoint: real_endpoint(record, &server, method, ipv6, virtual_endpoint),
            method: effective_of(method, &server),
            local: (method == Method::FULLNAT && !tag.template())
                .then(|| endpoint(&record.recipe.source, record.recipe.source_port(), ipv6)),
            state: state_of(tag),
            expires: Duration::from_millis(
                wide(left).saturating_mul(1000) / wide(settings.hz.max(1)),
            ),
            template: tag.template(),
            engine_data: self.call_id_of(record),
            packets_in: record.packets_in,
            packets_out: record.packets_out,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
        })
    }
}

fn real_endpoint(
    record: &Record,
    server: &RealSlot,
    method: u8,
    ipv6: bool,
    virtual_endpoint: Endpoint,
) -> Endpoint {
    if Method::two_way(method) && !record.tag.template() {
        let recipe = &record.recipe;
        return endpoint(&recipe.destination, recipe.destination_port(), ipv6);
    }
    let mut found = endpoint(&server.address, server.port, server.family == 6);
    // A template of every port names none.
    if found.port == 0 || record.tag.template() && virtual_endpoint.port == 0 {
        found.port = virtual_endpoint.port;
    }
    found
}

fn state_of(tag: Tag) -> ConnectionState {
    if tag.template() {
        return if tag.state() == template::ASSURED {
            ConnectionState::Assured
        } else {
            ConnectionState::None
        };
    }
    if tag.protocol() == Protocol::Udp.number() {
        return ConnectionState::Udp;
    }
    if tag.protocol() == Protocol::Sctp.number() {
        return sctp_state_of(tag.state());
    }
    match tag.state() {
        tcp::ESTABLISHED => ConnectionState::Established,
        tcp::SYN_SENT => ConnectionState::SynSent,
        tcp::SYN_RECV => ConnectionState::SynRecv,
        tcp::FIN_WAIT => ConnectionState::FinWait,
        tcp::TIME_WAIT => ConnectionState::TimeWait,
        tcp::CLOSE => ConnectionState::Close,
        tcp::CLOSE_WAIT => ConnectionState::CloseWait,
        tcp::LAST_ACK => ConnectionState::LastAck,
        tcp::LISTEN => ConnectionState::Listen,
        tcp::SYNACK => ConnectionState::Synack,
        _ => ConnectionState::None,
    }
}

fn sctp_state_of(state: u8) -> ConnectionState {
    match state {
        sctp::INIT1 => ConnectionState::Init1,
        sctp::INIT => ConnectionState::Init,
        sctp::COOKIE_SENT => ConnectionState::CookieSent,
        sctp::COOKIE_REPLIED => ConnectionState::CookieReplied,
        sctp::COOKIE_WAIT => ConnectionState::CookieWait,
        sctp::COOKIE => ConnectionState::Cookie,
        sctp::COOKIE_ECHOED => ConnectionState::CookieEchoed,
        sctp::ESTABLISHED => ConnectionState::Established,
        sctp::SHUTDOWN_SENT => ConnectionState::ShutdownSent,
        sctp::SHUTDOWN_RECEIVED => ConnectionState::ShutdownReceived,
        sctp::SHUTDOWN_ACK_SENT => ConnectionState::ShutdownAckSent,
        sctp::REJECTED => ConnectionState::Rejected,
        sctp::CLOSED => ConnectionState::Closed,
        _ => ConnectionState::None,
    }
}

fn effective(found: &RealSlot, configured: ForwardingMethod) -> EffectiveMethod {
    if found.method == Method::LOCAL {
        EffectiveMethod::Local
    } else {
        EffectiveMethod::Configured(configured)
    }
}

fn effective_of(method: u8, server: &RealSlot) -> EffectiveMethod {
    EffectiveMethod::Configured(match method {
        Method::LOCAL => return EffectiveMethod::Local,
        Method::NAT => ForwardingMethod::Nat,
        Method::FULLNAT => ForwardingMethod::FullNat,
        Method::TUNNEL => ForwardingMethod::Tunnel(super::servers::tunnel_of(server)),
        _ => ForwardingMethod::Direct,
    })
}

/// Totals of a real server: retired entries and living ones. The sum may wrap on its way: zeroing
/// makes the retired ones cancel what lives.
fn real_counters(slot: u32, found: &RealSlot, live: &StdMap<u32, Live>) -> Counters {
    let live = live.get(&slot).copied().unwrap_or_default();
    Counters {
        connections: found.connections,
        packets_in: found.packets_in.wrapping_add(live.packets_in),
        packets_out: found.packets_out.wrapping_add(live.packets_out),
        bytes_in: found.bytes_in.wrapping_add(live.bytes_in),
        bytes_out: found.bytes_out.wrapping_add(live.bytes_out),
    }
}

fn add(sum: &mut Counters, other: &Counters) {
    sum.connections = sum.connections.wrapping_add(other.connections);
    sum.packets_in = sum.packets_in.wrapping_add(other.packets_in);
    sum.packets_out = sum.packets_out.wrapping_add(other.packets_out);
    sum.bytes_in = sum.bytes_in.wrapping_add(other.bytes_in);
    sum.bytes_out = sum.bytes_out.wrapping_add(other.bytes_out);
}
