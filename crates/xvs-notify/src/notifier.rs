//! The notifier: one task that hands events out, and those that deliver them.
//!
//! ```text
//!  any thread                        a tokio runtime
//!  Notifier::send --mpsc--> [desk] --Lanes--> [script] [script] ...   one for each running job
//!                              |---Outbox--> [FIFO writer]            one for each FIFO
//!                              |             [FIFO reader]            its program, if it has one
//!                              |---Outbox--> [courier]                mail
//!                              |---Outbox--> [courier]                webhook
//! ```
//!
//! The desk never waits for a delivery. Everything that waits is bounded, and what is lost is counted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
    time::Instant,
};
use tracing::{error, warn};

use crate::{
    Counts, Event, MailSettings, Settings, WebhookSettings,
    counters::Counters,
    courier::Courier,
    fifo::OpenFifo,
    lanes::Lanes,
    mail::{Mail, Postman},
    script::Job,
    settings::{FifoSettings, ScriptSettings},
    webhook::Webhook,
};

/// Events that may wait for the desk; it empties its queue in microseconds.
const INBOX: usize = 65_536;

/// Tells the world; a handle that any thread may use, and whose clones are the same notifier.
#[derive(Clone, Debug)]
pub struct Notifier {
    inbox: mpsc::Sender<Message>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Message {
    Event(Box<Event>),
    Reload(Box<Settings>),
    Shutdown(Instant, oneshot::Sender<()>),
}

impl Notifier {
    /// Starts it on this runtime: opens FIFOs, starts their readers. What cannot be opened is logged and
    /// does not hold up the rest, as in keepalived.
    #[must_use]
    pub fn start(settings: Settings, runtime: &Handle) -> Self {
        let (inbox, messages) = mpsc::channel(INBOX);
        let counters = Arc::new(Counters::default());
        runtime.spawn(Desk::run(settings, messages, Arc::clone(&counters)));
        Self { inbox, counters }
    }

    /// Takes an event to be told; never waits and never allocates without bound. Events of one thread
    /// are told in the order in which they were sent.
    pub fn send(&self, event: Event) {
        self.counters.events.add();
        if self
            .inbox
            .try_send(Message::Event(Box::new(event)))
            .is_err()
            && self.counters.events_lost.add() == 0
        {
            error!("a notification is lost: the notifier is overrun or has stopped");
        }
    }

    /// Goes over to other settings; FIFOs that stay the same stay open, and jobs that wait or run go on.
    pub async fn reload(&self, settings: Settings) {
        // Refused only after the shutdown, when nobody is told anything.
        let _stopped = self.inbox.send(Message::Reload(Box::new(settings))).await;
    }

    /// Ends: what waits has `limit` to be told, then running scripts are killed. FIFOs that were made are
    /// removed. Later events are lost.
    pub async fn shutdown(&self, limit: Duration) {
        let (done, ended) = oneshot::channel();
        let message = Message::Shutdown(Instant::now() + limit, done);
        if self.inbox.send(message).await.is_ok() {
            // An error says that the desk has ended too.
            let _ended = ended.await;
        }
    }

    /// What became of all notifications since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.counts()
    }
}

/// The task that owns all queues.
struct Desk {
    scripts: Arc<ScriptSettings>,
    lanes: Lanes<Arc<str>, Job>,
    running: JoinSet<()>,
    /// Whose job a task runs.
    owners: HashMap<Id, Arc<str>>,
    fifos: Vec<OpenFifo>,
    mail: Option<(MailSettings, Courier<Postman>)>,
    webhook: Option<(WebhookSettings, Courier<Webhook>)>,
    counters: Arc<Counters>,
}

impl Desk {
    async fn run(
        settings: Settings,
        mut messages: mpsc::Receiver<Message>,
        counters: Arc<Counters>,
    ) {
        let mut desk = Self {
            lanes: Lanes::new(settings.scripts.lanes),
            scripts: Arc::new(settings.scripts),
            running: JoinSet::new(),
            owners: HashMap::new(),
            fifos: Vec::new(),
            mail: None,
            webhook: None,
            counters,
        };
        desk.open_fifos(settings.fifos).await;
        desk.set_mail(settings.mail);
        desk.set_webhook(settings.webhook);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Event(event)) => desk.tell(*event),
                    Some(Message::Reload(settings)) => desk.reload(*settings).await,
                    Some(Message::Shutdown(end, done)) => {
                        desk.end(end).await;
                        // Who asked may have given up.
                        let _gone = done.send(());
                        return;
                    }
                    // All handles are gone: what waits is told, without a hurry that nobody asked for.
                    None => return desk.end(Instant::now() + desk.scripts.limit).await,
                },
                Some(ended) = desk.running.join_next_with_id() => desk.job_ended(&ended),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let vrrp = event.is_vrrp();
        for fifo in &self.fifos {
            if fifo.channel().carries(vrrp) {
                fifo.write(event.fifo_line(), &self.counters);
            }
        }
        if let Some((settings, courier)) = &self.mail
            && settings.wants(&event)
        {
            courier.send(Mail::new(&event, settings));
        }
        if !event.calls.is_empty() {
            let source = event.source();
            let job = Job {
                calls: event.calls.clone(),
                environment: event.environment(),
            };
            if self.lanes.push(Arc::clone(&source), job).is_some()
                && self.counters.scripts.lost.add() == 0
            {
                warn!("too many scripts wait: the oldest of {source} does not run");
            }
            self.start_jobs();
        }
        if let Some((_settings, courier)) = &self.webhook {
            courier.send(event);
        }
    }

    fn start_jobs(&mut self) {
        while let Some((source, job)) = self.lanes.next() {
            let settings = Arc::clone(&self.scripts);
            let counters = Arc::clone(&self.counters);
            let task = self
                .running
                .spawn(async move { job.run(&settings, &counters).await });
            self.owners.insert(task.id(), source);
        }
    }

    fn job_ended(&mut self, ended: &Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if let Some(source) = self.owners.remove(&id) {
            self.lanes.finish(&source);
        }
        self.start_jobs();
    }

    async fn reload(&mut self, settings: Settings) {
        self.scripts = Arc::new(settings.scripts);
        self.open_fifos(settings.fifos).await;
        self.set_mail(settings.mail);
        self.set_webhook(settings.webhook);
    }

    /// Goes over to another server; mails that wait still go to the old one.
    fn set_mail(&mut self, wanted: Option<MailSettings>) {
        if self.mail.as_ref().map(|(settings, _courier)| settings) == wanted.as_ref() {
            return;
        }
        let new = wanted.map(|settings| {
            let retries = settings.retries;
            let postman = Postman::new(settings.clone());
            (settings, Courier::start(postman, retries, &self.counters))
        });
        if let Some((_settings, courier)) = std::mem::replace(&mut self.mail, new) {
            courier.retire();
        }
    }

    /// Goes over to another webhook; events that wait still go to the old one.
    fn set_webhook(&mut self, wanted: Option<WebhookSettings>) {
        if self.webhook.as_ref().map(|(settings, _courier)| settings) == wanted.as_ref() {
            return;
        }
        let new = wanted.map(|settings| {
            let retries = settings.retries;
            let webhook = Webhook::new(settings.clone());
            (settings, Courier::start(webhook, retries, &self.counters))
        });
        if let Some((_settings, courier)) = std::mem::replace(&mut self.webhook, new) {
            courier.retire();
        }
    }

    /// Opens what is new, closes what is gone; in the order of the settings.
    async fn open_fifos(&mut self, wanted: Vec<FifoSettings>) {
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.fifos)
            .into_iter()
            .partition(|open| wanted.contains(&open.settings));
        for fifo in gone {
            fifo.close(Instant::now()).await;
        }
        let mut kept = kept;
        for settings in wanted {
            if let Some(place) = kept.iter().position(|open| open.settings == settings) {
                self.fifos.push(kept.swap_remove(place));
                continue;
            }
            match OpenFifo::open(settings, self.scripts.security, &self.counters) {
                Ok(fifo) => self.fifos.push(fifo),
                Err(error) => error!("no notifications by FIFO: {error}"),
            }
        }
    }

    async fn end(&mut self, end: Instant) {
        while !self.lanes.is_idle() {
            match tokio::time::timeout_at(end, self.running.join_next_with_id()).await {
                Ok(Some(ended)) => self.job_ended(&ended),
                Ok(None) => break,
                Err(_elapsed) => {
                    warn!("scripts are killed, for they take longer than the shutdown may");
                    break;
                }
            }
        }
        self.running.shutdown().await;
        for fifo in std::mem::take(&mut self.fifos) {
            fifo.close(end).await;
        }
        if let Some((_settings, courier)) = self.mail.take() {
            courier.close(end).await;
        }
        if let Some((_settings, courier)) = self.webhook.take() {
            courier.close(end).await;
        }
    }
}
