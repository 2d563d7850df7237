//! The reader: takes lines from files, definitions and sequences, and gives tokens.

use std::{collections::VecDeque, sync::Arc};

use super::{
    comment,
    definition::{Definitions, Predefined, Value, parse_definition},
    include::{self, Checks},
    open_file::{MAX_LINE, OpenFile},
    sequence::{self, Sequence},
};
use crate::{
    codes,
    diagnostic::{Consequence, Sink},
    host::{Files, HostFacts},
    span::{SourceMap, Span, Text},
};

/// Deeper includes than this are a circle; keepalived itself goes on until it has no file descriptor.
const MAX_INCLUDE_DEPTH: usize = 32;
/// A configuration of more files than this is refused.
const MAX_FILES: usize = 10_000;
/// A configuration of more bytes than this is refused: a file may include itself twice.
const MAX_BYTES: usize = 256 << 20;
/// Definitions and sequences may bring this many lines: a `~SEQ` can ask for billions.
const MAX_EXPANDED: usize = 200_000;
/// More replacements than this in one line are a definition that names itself.
const MAX_REPLACEMENTS: usize = 1_000;

/// What the reader gives: braces stand alone.
#[derive(Debug)]
pub(crate) enum Token {
    /// `}`.
    Close(Span),
    /// A line with words, never empty.
    Line(Text),
    /// `{`.
    Open(Span),
}

/// Turns files into tokens.
pub(crate) struct Preprocessor<'a> {
    files: &'a dyn Files,
    host: &'a dyn HostFacts,
    sources: SourceMap,
    definitions: Definitions,
    open_files: Vec<OpenFile>,
    pending: Vec<Pending>,
    peeked: Option<Token>,
    checks: Checks,
    collecting: Option<(String, Vec<String>)>,
    expanded: usize,
    opened: usize,
    bytes: usize,
    stopped: bool,
}

/// What is read before the next line of a file.
enum Pending {
    /// The later lines of a definition, and where its name stands.
    Lines(VecDeque<String>, Span),
    /// Further rounds of a sequence, and where it stands.
    Rounds(Sequence, Span),
    /// The rest of a line behind a brace.
    Text(Text),
}

impl<'a> Preprocessor<'a> {
    /// Starts with the root file.
    pub(crate) fn open(
        root: &str,
        files: &'a dyn Files,
        host: &'a dyn HostFacts,
        sink: &mut Sink,
    ) -> Self {
        let mut reader = Self {
            files,
            host,
            sources: SourceMap::default(),
            definitions: Definitions::new(),
            open_files: Vec::new(),
            pending: Vec::new(),
            peeked: None,
            checks: Checks::default(),
            collecting: None,
            expanded: 0,
            opened: 0,
            bytes: 0,
            stopped: false,
        };
        let (opened, misses) = include::open(files, "", root, Checks::default());
        if opened.is_empty() {
            let id = reader.sources.add(root, "".into());
            let cause = misses.first().map_or_else(
                || format!("no file matches `{root}`"),
                |miss| miss.message.clone(),
            );
            sink.add(
                codes::FILE,
                Consequence::MissingFile,
                Span::whole_file(id),
                cause,
                "name a readable file with `-f`",
            );
        }
        reader.push_files(opened, 0, sink);
        reader
    }

    /// From here on, misses of includes count as `include_check` says.
    pub(crate) fn check_includes(&mut self, words: &[&str]) {
        if words.is_empty() {
            self.checks = Checks::ALL;
        }
        for word in words {
            self.checks = self.checks.with_word(word).unwrap_or(self.checks);
        }
    }

    /// The names and texts of all files read.
    pub(crate) fn into_sources(self) -> SourceMap {
        self.sources
    }

    /// The next token; none at the end of all files.
    pub(crate) fn next(&mut self, sink: &mut Sink) -> Option<Token> {
        if let Some(token) = self.peeked.take() {
            return Some(token);
        }
        self.produce(sink)
    }

    /// Whether the next token is a `{`.
    pub(crate) fn brace_follows(&mut self, sink: &mut Sink) -> bool {
        if self.peeked.is_none() {
            self.peeked = self.produce(sink);
        }
        matches!(self.peeked, Some(Token::Open(_)))
    }

    fn produce(&mut self, sink: &mut Sink) -> Option<Token> {
        while let Some(text) = self.take_line(sink) {
            if self.expanded > MAX_EXPANDED {
                self.stop(
                    text.whole(),
                    format!("definitions and sequences bring more than {MAX_EXPANDED} lines"),
                    sink,
                );
                return None;
            }
            if self.collect(&text) {
                continue;
            }
            let Some(text) = self.process(text, sink) else {
                continue;
            };
            if let Some((checks, pattern)) = include::parse(text.as_str()) {
                self.include(checks, pattern, text.whole(), sink);
            } else if !text.is_empty() {
                let token = self.split(&text);
                if !matches!(&token, Token::Line(line) if line.is_empty()) {
                    return Some(token);
                }
            }
        }
        None
    }

    fn take_line(&mut self, sink: &mut Sink) -> Option<Text> {
        if self.stopped {
            return None;
        }
        match self.pending.pop() {
            None => self.read_file_line(sink),
            Some(Pending::Text(text)) => Some(text),
            Some(Pending::Lines(mut lines, span)) => {
                self.expanded += 1;
                let line = lines.pop_front().unwrap_or_default();
                if !lines.is_empty() {
                    self.pending.push(Pending::Lines(lines, span));
                }
                Some(Text::standing_for(span, &line).trimmed())
            }
            Some(Pending::Rounds(mut sequence, span)) => {
                self.expanded += 1;
                let Some(round) = sequence.next_round() else {
                    return Some(Text::standing_for(span, ""));
                };
                for (name, value) in round {
                    self.definitions.set(&name, Value::Line(value));
                }
                let text = Text::standing_for(span, &sequence.text).trimmed();
                self.pending.push(Pending::Rounds(sequence, span));
                Some(text)
            }
        }
    }

    /// The next line of the innermost file, without its comment; it may be empty.
    fn read_file_line(&mut self, sink: &mut Sink) -> Option<Text> {
        loop {
            let file = self.open_files.last_mut()?;
            let Some((line, whole)) = file.next_line() else {
                self.checks = file.checks_before;
                self.open_files.pop();
                continue;
            };
            if !whole {
                sink.silent(
                    codes::LONG_LINE,
                    line.whole(),
                    format!("the line is longer than {MAX_LINE} bytes"),
                    "keepalived reads the rest as another line; break the line yourself",
                );
            }
            if line.is_empty() {
                self.end_collecting();
                return Some(line);
            }
            let stripped = comment::strip(&line);
            if stripped.cut_word {
                let end = stripped.text.as_str().len();
                let word = stripped
                    .text
                    .as_str()
                    .rfind([' ', '\t'])
                    .map_or(0, |at| at + 1);
                sink.silent(
                    codes::EXTRA_WORDS,
                    stripped.text.span(word..end),
                    format!(
                        "a comment begins within a word, so the word is `{}`",
                        &stripped.text.as_str()[word..end]
                    ),
                    "quote the word or write `\\#` or `\\!` to keep the sign",
                );
            }
            if stripped.open_quote && stripped.text.as_str().starts_with('$') {
                sink.reported(
                    codes::UNMATCHED_QUOTE,
                    stripped.text.whole(),
                    "a quote does not end on this line",
                    "",
                );
            }
            return Some(stripped.text);
        }
    }

    /// Takes a line into the definition that is being collected.
    fn collect(&mut self, text: &Text) -> bool {
        let Some((_, lines)) = &mut self.collecting else {
            return false;
        };
        if text.is_empty() {
            return true;
        }
        let (line, goes_on) = match text.as_str().strip_suffix('\\') {
            Some(line) => (line.trim_end_matches([' ', '\t']), true),
            None => (text.as_str(), false),
        };
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
        if !goes_on {
            self.end_collecting();
        }
        true
    }

    fn end_collecting(&mut self) {
        if let Some((name, lines)) = self.collecting.take() {
            let value = if lines.is_empty() {
                Value::Line(String::new())
            } else {
                Value::Lines(lines)
            };
            self.definitions.set(&name, value);
        }
    }

    /// Conditions, definitions, sequences and replacement; none when nothing is left of the line.
    fn process(&mut self, mut text: Text, sink: &mut Sink) -> Option<Text> {
        let mut budget = MAX_REPLACEMENTS;
        loop {
            if text.as_str().starts_with('@') {
                text = self.condition(&text)?;
            }
            if let Some((name, value)) = parse_definition(text.as_str()) {
                self.define(name.to_owned(), value.to_owned());
                return None;
            }
            if text.as_str().starts_with("~SEQ") || text.as_str().starts_with("~LST") {
                self.start_sequence(&text, sink);
                return None;
            }
            if text.as_str().starts_with('~') || !text.as_str().contains('$') {
                return Some(text);
            }
            let before = text.as_str().to_owned();
            text = self.replace(text, &mut budget, sink)?;
            if text.as_str() == before {
                return Some(text);
            }
            text = comment::strip(&text).text;
        }
    }

    /// What follows `@ID`, if it is for this host.
    fn condition(&self, text: &Text) -> Option<Text> {
        let line = text.as_str();
        let (reversed, from) = if line.starts_with("@^") {
            (true, 2)
        } else {
            (false, 1)
        };
        let end = from + line[from..].find([' ', '\t'])?;
        let same = line[from..end] == self.host.config_id();
        (same != reversed).then(|| text.slice(end..line.len()).trimmed())
    }

    fn define(&mut self, name: String, value: String) {
        match value.strip_suffix('\\') {
            None => self.definitions.set(&name, Value::Line(value)),
            Some(first) => {
                let first = first.trim_end_matches([' ', '\t']);
                let lines = if first.is_empty() {
                    Vec::new()
                } else {
                    vec![first.to_owned()]
                };
                self.collecting = Some((name, lines));
            }
        }
    }

    fn start_sequence(&mut self, text: &Text, sink: &mut Sink) {
        let expand = |numbers: &str| {
            let mut out = Text::standing_for(text.whole(), numbers);
            for _ in 0..16 {
                let Some(found) = self.definitions.find(out.as_str(), 0) else {
                    break;
                };
                let Some(Value::Line(value)) = self.definitions.value(&found.name) else {
                    break;
                };
                out = out.replaced(found.range, value);
            }
            out.as_str().to_owned()
        };
        match sequence::parse(text.as_str(), expand) {
            Ok(sequence) => self.pending.push(Pending::Rounds(sequence, text.whole())),
            Err(cause) => sink.reported(
                codes::SEQUENCE,
                text.whole(),
                cause,
                "write `~SEQ(NAME, START, STEP, END) TEXT` or `~LST(NAME, VALUE, ...) TEXT`; \
                 the line is left out",
            ),
        }
    }

    /// Replaces all names in a line; none when that never ends.
    fn replace(&mut self, mut text: Text, budget: &mut usize, sink: &mut Sink) -> Option<Text> {
        let mut at = 0;
        while let Some(found) = self.definitions.find(text.as_str(), at) {
            let Some(rest) = budget.checked_sub(1) else {
                self.stop(
                    text.whole(),
                    format!("`${}` stands for itself", found.name),
                    sink,
                );
                return None;
            };
            *budget = rest;
            if found.name == "_ENV" && self.host.environment(&found.parameters).is_none() {
                // As in 2.2.7, which knows no `_ENV`, the text stays; its braces then count.
                at = found.range.end;
                continue;
            }
            at = found.range.start;
            let span = text.span(found.range.clone());
            let (insert, later) = self.value_of(&found.name, &found.parameters, span, sink)?;
            let length = text.as_str().len() - found.range.len() + insert.len();
            if length > MAX_LINE {
                sink.silent(
                    codes::LONG_LINE,
                    span,
                    format!(
                        "with `${}` replaced the line is longer than {MAX_LINE} bytes",
                        found.name
                    ),
                    "the name stays as it is; break the line",
                );
                break;
            }
            let sequence = insert.trim_start_matches([' ', '\t']).starts_with('~');
            text = text.replaced(found.range, &insert);
            if !later.is_empty() {
                self.pending.push(Pending::Lines(later, span));
            }
            if sequence {
                break;
            }
        }
        Some(text)
    }

    /// What a name stands for: the text for this line, and the lines that follow it.
    fn value_of(
        &self,
        name: &str,
        parameters: &str,
        span: Span,
        sink: &mut Sink,
    ) -> Option<(String, VecDeque<String>)> {
        let line = match self.definitions.value(name)? {
            Value::Line(value) => value.clone(),
            Value::Lines(lines) => {
                let mut later: VecDeque<String> = lines.iter().cloned().collect();
                let first = later.pop_front().unwrap_or_default();
                return Some((first, later));
            }
            Value::Predefined(Predefined::Bang) => "!".to_owned(),
            Value::Predefined(Predefined::Hash) => "#".to_owned(),
            Value::Predefined(Predefined::Instance) => self.host.instance().unwrap_or_default(),
            Value::Predefined(Predefined::Pwd) => self
                .open_files
                .last()
                .map_or_else(String::new, |file| file.directory.clone()),
            Value::Predefined(Predefined::Random) => self.random(parameters).to_string(),
            Value::Predefined(Predefined::Env) => {
                sink.reported(
                    codes::NEWER_KEYWORD,
                    span,
                    "keepalived 2.2.7 does not know `${_ENV NAME}`",
                    "the environment variable is used as later versions do",
                );
                self.host.environment(parameters).unwrap_or_default()
            }
        };
        Some((line, VecDeque::new()))
    }

    fn random(&self, parameters: &str) -> u32 {
        let mut bounds = parameters
            .split(' ')
            .filter_map(|word| word.parse::<u32>().ok());
        let (low, high) = match (bounds.next(), bounds.next()) {
            (None, _) => (0, 32_767),
            (Some(low), None) => (low, 32_767),
            (Some(low), Some(high)) => (low, high),
        };
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.host.random() % width)
    }

    fn include(&mut self, checks: Checks, pattern: &str, span: Span, sink: &mut Sink) {
        let (directory, depth) = self.open_files.last().map_or_else(
            || (String::new(), 0),
            |file| (file.directory.clone(), file.depth),
        );
        if depth >= MAX_INCLUDE_DEPTH {
            sink.reported(
                codes::INCLUDE_DEPTH,
                span,
                format!("includes go deeper than {MAX_INCLUDE_DEPTH} files"),
                "does the file include itself? this include is left out",
            );
            return;
        }
        let (opened, misses) =
            include::open(self.files, &directory, pattern, self.checks.or(checks));
        for miss in misses {
            let (consequence, hint) = if miss.fatal {
                (Consequence::MissingInclude, "it must exist here")
            } else {
                (Consequence::Silent, "the line is left out")
            };
            sink.add(codes::FILE, consequence, span, miss.message, hint);
        }
        if self.bytes > MAX_BYTES || self.opened + opened.len() > MAX_FILES {
            self.stop(
                span,
                format!("the configuration has more than {MAX_FILES} files or {MAX_BYTES} bytes"),
                sink,
            );
            return;
        }
        self.push_files(opened, depth + 1, sink);
    }

    fn push_files(&mut self, opened: Vec<(String, Vec<u8>)>, depth: usize, sink: &mut Sink) {
        self.opened += opened.len();
        self.bytes += opened
            .iter()
            .map(|(_, content)| content.len())
            .sum::<usize>();
        for (path, content) in opened.into_iter().rev() {
            let (text, valid) = match String::from_utf8(content) {
                Ok(text) => (text, true),
                Err(error) => (
                    String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    false,
                ),
            };
            let text: Arc<str> = text.into();
            let id = self.sources.add(&path, Arc::clone(&text));
            if !valid {
                sink.silent(
                    codes::NOT_UTF8,
                    Span::whole_file(id),
                    "the file is no UTF-8",
                    "bytes that cannot be read are replaced; save it as UTF-8",
                );
            }
            let directory = match path.rsplit_once('/') {
                None => String::new(),
                Some(("", _)) => "/".to_owned(),
                Some((directory, _)) => directory.to_owned(),
            };
            self.open_files
                .push(OpenFile::new(id, text, directory, depth, self.checks));
        }
    }

    /// Takes the first token off a line and keeps the rest for later.
    fn split(&mut self, text: &Text) -> Token {
        let line = text.as_str();
        let Some(brace) = first_brace(line) else {
            return Token::Line(settled(text.clone()));
        };
        let cut = if brace == 0 { 1 } else { brace };
        let rest = text.slice(cut..line.len()).trimmed();
        if !rest.is_empty() {
            self.pending.push(Pending::Text(rest));
        }
        if brace > 0 {
            return Token::Line(settled(text.slice(0..brace)));
        }
        let span = text.span(0..1);
        if line.starts_with('{') {
            Token::Open(span)
        } else {
            Token::Close(span)
        }
    }

    fn stop(&mut self, span: Span, message: String, sink: &mut Sink) {
        self.stopped = true;
        sink.add(
            codes::EXPANSION_LIMIT,
            Consequence::Broken,
            span,
            message,
            "nothing behind this line was read",
        );
    }
}

/// A line as it would be read again: without blanks around it, nor before a `\` that stands last.
fn settled(text: Text) -> Text {
    let text = text.trimmed();
    if !comment::is_continued(text.as_str()) {
        return text;
    }
    let end = text.as_str().len() - 1;
    let text = text.slice(0..end).trimmed();
    let end = text.as_str().len();
    text.replaced(end..end, "\\")
}

/// The first brace outside of double quotes.
fn first_brace(line: &str) -> Option<usize> {
    if line.starts_with(['{', '}']) {
        return Some(0);
    }
    let mut at = 0;
    loop {
        let found = at + line[at..].find(['{', '}', '"'])?;
        if line.as_bytes()[found] != b'"' {
            return Some(found);
        }
        at = found + 1 + line[found + 1..].find('"')? + 1;
    }
}
