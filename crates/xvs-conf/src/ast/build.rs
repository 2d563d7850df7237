//! Building the tree from tokens, as keepalived's parser walks them.
//!
//! In keepalived an unknown keyword does not take its block along: the `{` is ignored, the lines within
//! belong to the block around, and the `}` closes that block early. The compatible stance does the
//! same, and says so. The strict stance, which refuses the file anyway, skips the block instead and
//! so finds what else is wrong.

use super::{Document, Statement, Word};
use crate::{
    Stance, codes,
    diagnostic::{Consequence, Sink},
    keywords::{self, Arity, Block, Body, Spec},
    lexer,
    preprocess::{Preprocessor, Token},
    span::{Span, Text},
};

/// Reads all tokens into a tree.
pub(crate) fn build(reader: &mut Preprocessor<'_>, sink: &mut Sink) -> Document {
    let mut builder = Builder {
        reader,
        sink,
        depth: 0,
        last_open: Vec::new(),
    };
    let statements = builder.block(Block::Root, None);
    builder.report_open_blocks();
    Document { statements }
}

struct Builder<'a, 'b> {
    reader: &'a mut Preprocessor<'b>,
    sink: &'a mut Sink,
    /// Braces open, whoever they belong to.
    depth: usize,
    last_open: Vec<Span>,
}

impl Builder<'_, '_> {
    fn next(&mut self) -> Option<Token> {
        let token = self.reader.next(self.sink)?;
        match &token {
            Token::Open(span) => {
                self.depth += 1;
                self.last_open.push(*span);
            }
            Token::Close(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.last_open.pop();
            }
            Token::Line(_) => {}
        }
        Some(token)
    }

    /// The statements of a block up to its `}`; `opener` is the keyword of every block but the root.
    fn block(&mut self, block: Block, opener: Option<Span>) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut needs_brace = opener.is_some();
        loop {
            let depth_before = self.depth;
            let Some(token) = self.next() else {
                break;
            };
            match token {
                Token::Open(_) if needs_brace => needs_brace = false,
                Token::Open(span) => self.sink.reported(
                    codes::MISSING_BRACE,
                    span,
                    "no keyword that takes a block stands before this `{`",
                    "the `{` is ignored",
                ),
                Token::Close(span) => {
                    if needs_brace {
                        self.report_missing_brace(opener.unwrap_or(span));
                    }
                    if opener.is_some() {
                        break;
                    }
                    self.report_extra_close(span, depth_before);
                }
                Token::Line(text) => {
                    if needs_brace {
                        self.report_missing_brace(opener.unwrap_or_else(|| text.whole()));
                        needs_brace = false;
                    }
                    statements.extend(self.statement(block, &text));
                }
            }
        }
        statements
    }

    fn statement(&mut self, block: Block, text: &Text) -> Option<Statement> {
        let mut statement = self.words(text)?;
        let name = statement.word(0).unwrap_or_default().to_owned();
        let Some(spec) = keywords::find(block, &name) else {
            self.report_unknown(block, &name, &statement);
            return Some(statement);
        };
        statement.known = true;
        self.check_words(spec, &statement);
        if block == Block::GlobalDefs && spec.name == "include_check" {
            let words: Vec<&str> = (1..statement.word_count())
                .filter_map(|index| statement.word(index))
                .collect();
            self.reader.check_includes(&words);
        }
        statement.body = match spec.body {
            Body::None => None,
            Body::Keywords(inner) => Some(self.block(inner, Some(statement.word_span(0)))),
            Body::Entries => Some(self.entries(statement.word_span(0))),
        };
        Some(statement)
    }

    /// Lines that are no keywords: addresses, names, routes.
    fn entries(&mut self, opener: Span) -> Vec<Statement> {
        let mut entries = Vec::new();
        let mut needs_brace = true;
        while let Some(token) = self.next() {
            match token {
                Token::Open(_) if needs_brace => needs_brace = false,
                Token::Close(_) => {
                    if needs_brace {
                        self.say_missing_brace(opener);
                    }
                    break;
                }
                Token::Open(span) => self.sink.reported(
                    codes::MISSING_BRACE,
                    span,
                    "a `{` stands among the entries of a block",
                    "the next `}` ends the block",
                ),
                Token::Line(text) => {
                    if needs_brace {
                        self.say_missing_brace(opener);
                        needs_brace = false;
                    }
                    if let Some(mut entry) = self.words(&text) {
                        entry.known = true;
                        entries.push(entry);
                    }
                }
            }
        }
        entries
    }

    fn words(&mut self, text: &Text) -> Option<Statement> {
        let line = text.as_str();
        let split = lexer::words(line);
        if let Some(at) = split.open_quote {
            self.sink.reported(
                codes::UNMATCHED_QUOTE,
                text.span(at..line.len()),
                "a quote does not end on this line",
                "what follows it is ignored; write another `\"`",
            );
        }
        if split.ranges.is_empty() {
            return None;
        }
        let words = split
            .ranges
            .into_iter()
            .map(|range| Word {
                span: text.span(range.clone()),
                range,
            })
            .collect();
        Some(Statement {
            text: line.to_owned(),
            words,
            span: text.whole(),
            body: None,
            known: false,
        })
    }

    fn check_words(&mut self, spec: &Spec, statement: &Statement) {
        let given = statement.word_count() - 1;
        let Arity { min, max } = spec.arity;
        if given < min {
            self.sink.add(
                codes::MISSING_VALUE,
                Consequence::MissingValue,
                statement.word_span(0),
                format!("`{}` needs a value", spec.name),
                "keepalived stops here with exit status 2",
            );
        } else if max.is_some_and(|max| given > max) {
            let first = max.unwrap_or(given) + 1;
            let span = statement
                .word_span(first)
                .to(statement.word_span(statement.word_count() - 1));
            let hint = if spec.body == Body::Entries {
                "what belongs to the block stands between its braces"
            } else {
                "put further keywords on lines of their own"
            };
            let message = if max == Some(0) {
                format!(
                    "`{}` takes no value; the keyword alone turns it on",
                    spec.name
                )
            } else {
                format!("words behind the value of `{}` are ignored", spec.name)
            };
            if spec.body == Body::Entries {
                self.sink.reported(codes::EXTRA_WORDS, span, message, hint);
            } else {
                self.sink.silent(codes::EXTRA_WORDS, span, message, hint);
            }
        }
        if spec.newer {
            self.sink.reported(
                codes::NEWER_KEYWORD,
                statement.word_span(0),
                format!("keepalived 2.2.7 does not know `{}`", spec.name),
                "xvs does what later versions do",
            );
        }
        if spec.inert {
            self.sink.silent(
                codes::INERT,
                statement.word_span(0),
                format!("`{}` is accepted but has no effect", spec.name),
                "",
            );
        }
    }

    fn report_unknown(&mut self, block: Block, name: &str, statement: &Statement) {
        let hint = if self.sink.is_full() {
            String::new()
        } else if name.starts_with('\u{feff}') {
            "the file begins with a byte order mark; save it without".to_owned()
        } else if let Some(near) = keywords::nearest(block, name) {
            format!("did you mean `{near}`? the line is ignored")
        } else if let Some(other) = keywords::home_of(name) {
            format!("`{name}` belongs into {other}; here the line is ignored")
        } else {
            "the line is ignored".to_owned()
        };
        self.sink.reported(
            codes::UNKNOWN_KEYWORD,
            statement.word_span(0),
            format!("unknown keyword `{name}` in {block}"),
            hint,
        );
        if self.sink.stance() == Stance::Strict {
            self.skip_block();
        }
    }

    /// Skips a block that follows at once.
    fn skip_block(&mut self) {
        if !self.reader.brace_follows(self.sink) {
            return;
        }
        let target = self.depth;
        while let Some(token) = self.next() {
            if matches!(token, Token::Close(_)) && self.depth <= target {
                break;
            }
        }
    }

    fn report_missing_brace(&mut self, span: Span) {
        self.sink.reported(
            codes::MISSING_BRACE,
            span,
            "a `{` is missing behind this keyword",
            "the lines that follow are read as its block",
        );
    }

    /// Blocks of entries may lack their `{` without a report.
    fn say_missing_brace(&mut self, span: Span) {
        self.sink.silent(
            codes::MISSING_BRACE,
            span,
            "a `{` is missing behind this keyword",
            "the lines that follow are read as its block",
        );
    }

    fn report_extra_close(&mut self, span: Span, depth_before: usize) {
        let hint = if depth_before == 0 {
            "remove it"
        } else {
            "it belongs to a `{` that was ignored"
        };
        self.sink
            .reported(codes::MISSING_BRACE, span, "this `}` closes no block", hint);
    }

    fn report_open_blocks(&mut self) {
        if self.depth == 0 {
            return;
        }
        let span = self.last_open.last().copied().unwrap_or_default();
        self.sink.reported(
            codes::MISSING_BRACE,
            span,
            format!(
                "{} `}}` missing at the end of the configuration",
                self.depth
            ),
            "the block that begins here is not closed",
        );
    }
}
