//! A mail server in a place that keeps the subjects of what it gets.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use crate::support::Place;

/// The server; its threads end with the test.
pub(crate) struct MailServer {
    subjects: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Listens at `address` in the network namespace of `place`.
    pub(crate) fn start(place: &Place, address: &'static str) -> Self {
        let subjects: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&subjects);
        let namespace = format!("/proc/{}/ns/net", place.pid());
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            // This thread alone moves.
            let namespace = fs::File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let listener = TcpListener::bind(address).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                // A peer that hangs up in the middle has sent no mail.
                thread::spawn(move || talk(&stream?, &kept));
            }
        });
        is_ready.recv().unwrap();
        Self { subjects }
    }

    /// The subjects so far.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.subjects.lock().unwrap().clone()
    }
}

fn talk(mut stream: &TcpStream, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.write_all(b"220 sink\r\n")?;
    let (mut in_text, mut subject) = (false, String::new());
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer: &[u8] = match line.as_str() {
            "." if in_text => {
                in_text = false;
                kept.lock().unwrap().push(std::mem::take(&mut subject));
                b"250 taken\r\n"
            }
            text if in_text => {
                if let Some(text) = text.strip_prefix("Subject: ") {
                    text.clone_into(&mut subject);
                }
                continue;
            }
            "DATA" => {
                in_text = true;
                b"354 go on\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => b"250 well\r\n",
        };
        stream.write_all(answer)?;
    }
    Ok(())
}
