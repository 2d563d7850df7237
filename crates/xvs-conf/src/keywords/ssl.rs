//! `SSL`.

use super::{Keyword, Line, Scope, Tier};
use crate::{codes, config::SslSettings};

type Key = Keyword<SslSettings>;

/// The keywords of `SSL`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::optional("password", Tier::Rare, |ssl, line, scope| {
        set(&mut ssl.password, line, scope);
    }),
    Key::optional("ca", Tier::Rare, |ssl, line, scope| {
        set(&mut ssl.ca, line, scope);
    }),
    Key::optional("certificate", Tier::Rare, |ssl, line, scope| {
        set(&mut ssl.certificate, line, scope);
    }),
    Key::optional("key", Tier::Rare, |ssl, line, scope| {
        set(&mut ssl.key, line, scope);
    }),
];

fn set(field: &mut Option<String>, line: &Line<'_>, scope: &mut Scope<'_>) {
    let Some(value) = line.get(1) else {
        line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is ignored",
            scope,
        );
        return;
    };
    if field.is_some() {
        scope.sink.reported(
            codes::DUPLICATE,
            line.span(),
            format!("`{}` is set a second time", line.keyword()),
            "the last one counts",
        );
    }
    *field = Some(value.to_owned());
}
