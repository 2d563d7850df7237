//! The stable codes of diagnostics.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $code;)*
        /// Every code, in alphabetical order.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

codes! {
    /// A value does not fit another one (two settings that exclude each other).
    CONFLICT = "conf::conflict";
    /// A keyword that keepalived will drop; it still works.
    DEPRECATED = "conf::deprecated";
    /// The same name, address or setting a second time.
    DUPLICATE = "conf::duplicate";
    /// A block without what it is for.
    EMPTY_BLOCK = "conf::empty-block";
    /// Expansion went past a bound.
    EXPANSION_LIMIT = "conf::expansion-limit";
    /// Words that keepalived ignores without a message.
    EXTRA_WORDS = "conf::extra-words";
    /// A file cannot be read or does not exist.
    FILE = "conf::file";
    /// An include goes too deep, or in a circle.
    INCLUDE_DEPTH = "conf::include-depth";
    /// Understood and kept, but nothing in xvs acts on it.
    INERT = "conf::inert";
    /// An interface does not exist or cannot be used.
    INTERFACE = "conf::interface";
    /// An address cannot be read, or is of the wrong family.
    INVALID_ADDRESS = "conf::invalid-address";
    /// A number cannot be read, or is out of its range.
    INVALID_NUMBER = "conf::invalid-number";
    /// A word is none of those that may stand there.
    INVALID_VALUE = "conf::invalid-value";
    /// A line is longer than keepalived reads at once.
    LONG_LINE = "conf::long-line";
    /// A `}` or a `{` is missing or one too many.
    MISSING_BRACE = "conf::missing-brace";
    /// A setting is missing and a default stands in, or none can.
    MISSING_SETTING = "conf::missing-setting";
    /// A keyword without its value.
    MISSING_VALUE = "conf::missing-value";
    /// keepalived 2.2.7 does not know it; xvs does what later versions do.
    NEWER_KEYWORD = "conf::newer-keyword";
    /// A file is no UTF-8.
    NOT_UTF8 = "conf::not-utf8";
    /// A value is corrected to the nearest that works.
    ROUNDED = "conf::rounded";
    /// A script is missing, cannot run, or must not.
    SCRIPT = "conf::script";
    /// `~SEQ` or `~LST` cannot be read.
    SEQUENCE = "conf::sequence";
    /// More findings than are shown.
    TOO_MANY = "conf::too-many";
    /// A quote that does not end.
    UNMATCHED_QUOTE = "conf::unmatched-quote";
    /// No such keyword here.
    UNKNOWN_KEYWORD = "conf::unknown-keyword";
    /// Something refers to what is not defined.
    UNKNOWN_NAME = "conf::unknown-name";
    /// A user or group does not exist.
    UNKNOWN_USER = "conf::unknown-user";
}
