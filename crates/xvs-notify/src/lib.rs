//! Who is told of a change: scripts, FIFOs, a mail server, a webhook.
//!
//! The daemon makes one [`Notifier`] from the [`Settings`] of its configuration, turns each notification
//! of its machines into an [`Event`] together with the configuration of what changed, and sends it:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use xvs_notify::{Event, Notifier, Settings};
//! # async fn example(config: xvs_conf::Config, told: xvs_vrrp::Notification) {
//! let (settings, _refused) = Settings::from_config(&config.global, "director1");
//! let notifier = Notifier::start(settings, &tokio::runtime::Handle::current());
//! // from any thread, at any time:
//! notifier.send(Event::vrrp(&told, &config.instances[0].notification));
//! // at the end:
//! notifier.shutdown(std::time::Duration::from_secs(1)).await;
//! # }
//! ```
//!
//! Exactly one run, line or mail for each event and each who wants it. Scripts of one source (a virtual
//! router, a sync group, a virtual server, a real server of one) run one after the other, in the order
//! of their events: first the script of the state, then `notify`; those of different sources run side by
//! side. Lines of a FIFO keep the order of all events. Nothing that hangs delays anything else, and all
//! that waits is bounded: what does not fit is lost, oldest first, and counted in [`Counts`].

mod counters;
mod courier;
mod event;
mod fifo;
mod lanes;
mod mail;
mod notifier;
mod outbox;
mod reason;
mod script;
mod secret;
mod settings;
mod webhook;

pub use counters::{Counts, SinkCounts};
pub use courier::Retries;
pub use event::{Change, Event};
pub use lanes::LaneLimits;
pub use mail::{MailCredentials, MailSettings, MailTls, MailTlsStart};
pub use notifier::Notifier;
pub use reason::reason;
pub use settings::{Channel, FifoSettings, ScriptSettings, Settings};
pub use webhook::WebhookSettings;
