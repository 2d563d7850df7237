//! Source files, spans and positions.

use std::sync::Arc;

use serde::Serialize;

/// A file of the configuration, in the order in which files were opened; 0 is the root file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileId(u32);

/// Bytes `start..end` of one line of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The line, from 1; 0 stands for the file as a whole.
    pub line: u32,
    /// First byte within the line, from 0.
    pub start: u32,
    /// One past the last byte within the line.
    pub end: u32,
}

impl Span {
    /// The file as a whole: where no line is to blame.
    #[must_use]
    pub fn whole_file(file: FileId) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// From the start of `self` to the end of `other`, when both are of one line; else `self`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if (self.file, self.line) == (other.file, other.line) {
            Self {
                start: self.start.min(other.start),
                end: self.end.max(other.end),
                ..self
            }
        } else {
            self
        }
    }
}

/// A position as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The file's name as it was opened.
    pub file: String,
    /// The line, from 1; 0 stands for the file as a whole.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// The names and texts of all files that were read, for positions and for quoting lines.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: Arc<str>,
    line_starts: Vec<usize>,
}

impl SourceMap {
    /// Adds a file and returns its identity.
    pub(crate) fn add(&mut self, name: &str, text: Arc<str>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        self.files.push(Source {
            name: name.to_owned(),
            text,
            line_starts,
        });
        id
    }

    /// The name under which `file` was opened.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.source(file).map_or("", |source| source.name.as_str())
    }

    /// The text of `line` (from 1) without its line end; empty when there is no such line.
    #[must_use]
    pub fn line(&self, file: FileId, line: u32) -> &str {
        self.source(file)
            .and_then(|source| source.line(line))
            .unwrap_or("")
    }

    /// Where `span` begins, as people read it.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        let line = self.line(span.file, span.line);
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        let before = line.char_indices().take_while(|(at, _)| *at < start);
        Position {
            file: self.name(span.file).to_owned(),
            line: span.line,
            column: u32::try_from(before.count() + 1).unwrap_or(u32::MAX),
        }
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.files.get(usize::try_from(file.0).ok()?)
    }
}

impl Source {
    fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = *self.line_starts.get(index)?;
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |next| next - 1);
        Some(self.text.get(start..end)?.trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let mut sources = SourceMap::default();
        let file = sources.add("a.conf", "one\r\n\u{e4}\u{f6} two\n".into());
        let span = Span {
            file,
            line: 2,
            start: 5,
            end: 8,
        };
        let position = sources.position(span);
        assert_eq!((position.line, position.column), (2, 4));
        assert_eq!(sources.line(file, 1), "one");
        assert_eq!(sources.line(file, 9), "");
    }
}
