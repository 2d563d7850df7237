//! What a command found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// One item beside what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemStatus {
    /// What it is, such as `net.ipv4.ip_forward`.
    pub name: String,
    /// What is wanted.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

impl ItemStatus {
    /// Whether it is as wanted.
    #[must_use]
    pub fn as_wanted(&self) -> bool {
        self.wanted == self.found
    }
}

/// What the programs on a real server counted since they were loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets taken out of a tunnel.
    pub decapsulated: u64,
    /// Packets dropped because they were marked for congestion and could not carry the mark on.
    pub dropped_congestion: u64,
    /// Packets dropped because the kernel would not take the outer header off.
    pub dropped_unable: u64,
    /// SYNs that named their client.
    pub clients: u64,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every item, in the order in which they are set up; after `down` those that are left.
    pub items: Vec<ItemStatus>,
    /// What the programs counted; none where none is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

impl Report {
    /// Whether everything is as wanted: exit status 0, else 1.
    #[must_use]
    pub fn as_wanted(&self) -> bool {
        self.items.iter().all(ItemStatus::as_wanted)
    }

    /// The text for stdout: JSON in one line, or a line for each item.
    ///
    /// # Errors
    ///
    /// Never in practice: every value has a JSON form.
    pub fn render(&self, json: bool) -> Result<String, serde_json::Error> {
        if !json {
            return Ok(self.to_string());
        }
        let mut value = serde_json::to_value(self)?;
        value["as_wanted"] = self.as_wanted().into();
        Ok(format!("{value}\n"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            if item.as_wanted() {
                writeln!(f, "ok     {}: {}", item.name, item.found)?;
            } else {
                writeln!(
                    f,
                    "WRONG  {}: {}, wanted {}",
                    item.name, item.found, item.wanted
                )?;
            }
        }
        if let Some(counts) = &self.counts {
            writeln!(
                f,
                "counts {} decapsulated, {} clients learnt, {} dropped (congestion mark), \
                 {} dropped (header stays)",
                counts.decapsulated,
                counts.clients,
                counts.dropped_congestion,
                counts.dropped_unable
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: &str) -> Report {
        Report {
            items: vec![ItemStatus {
                name: "net.ipv4.ip_forward".to_owned(),
                wanted: "1".to_owned(),
                found: found.to_owned(),
            }],
            counts: None,
        }
    }

    #[test]
    fn text_names_what_is_wrong_without_colour() {
        assert_eq!(
            report("0").to_string(),
            "WRONG  net.ipv4.ip_forward: 0, wanted 1\n"
        );
        assert_eq!(report("1").to_string(), "ok     net.ipv4.ip_forward: 1\n");
    }

    #[test]
    fn json_says_whether_all_is_as_wanted() {
        let text = report("0").render(true).unwrap();
        assert!(text.contains(r#""as_wanted":false"#), "{text}");
        assert!(
            report("1")
                .render(true)
                .unwrap()
                .contains(r#""as_wanted":true"#)
        );
    }
}
