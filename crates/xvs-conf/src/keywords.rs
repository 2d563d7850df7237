//! The keyword table: one definition per keyword, one file per block.
//!
//! A [`Keyword`] says where it may stand, how many words it takes, how common it is, whether a block
//! follows, and what it does to the thing its block describes. The tree is built from the [`Spec`]
//! part alone; the typed part runs over the finished tree.

mod bfd_instance;
mod block;
mod checker;
mod draft;
mod global_defs;
mod groups;
mod http_get;
mod line;
mod real_server;
mod root;
mod routing;
mod scope;
mod ssl;
mod sync_group;
mod track_file;
mod track_process;
mod virtual_server;
mod virtual_server_group;
mod vrrp_instance;
mod vrrp_script;

pub use block::{Block, all_keywords};
pub(crate) use block::{find, home_of, nearest};
pub(crate) use draft::{
    AuthKind, CheckerDraft, Draft, GarpDraft, InstanceDraft, RealServerDraft, SyncGroupDraft,
    TimingDraft, VirtualServerDraft,
};
pub(crate) use line::Line;
pub(crate) use root::read_document;
pub(crate) use scope::Scope;

use crate::ast::Statement;

/// How common a keyword is: 1 in nearly every configuration, 2 common, 3 rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// In nearly every configuration.
    Everywhere,
    /// Common.
    Common,
    /// Rare.
    Rare,
}

/// How many words a keyword takes behind itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// Fewer end keepalived with status 2.
    pub min: usize,
    /// More are ignored; none for any number.
    pub max: Option<usize>,
}

/// What stands between the braces of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It takes no block.
    None,
    /// Lines that are no keywords.
    Entries,
    /// Keywords of another block.
    Keywords(Block),
}

/// What the tree needs to know of a keyword.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The keyword.
    pub name: &'static str,
    /// How many words follow.
    pub arity: Arity,
    /// How common it is.
    pub tier: Tier,
    /// What block follows.
    pub body: Body,
    /// keepalived 2.2.7 does not know it.
    pub newer: bool,
    /// xvs accepts it and does nothing with it.
    pub inert: bool,
}

/// A keyword and what it does to a `T`.
pub(crate) struct Keyword<T: 'static> {
    pub(crate) spec: Spec,
    pub(crate) apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
}

impl<T> Keyword<T> {
    const fn new(
        name: &'static str,
        min: usize,
        max: Option<usize>,
        tier: Tier,
        apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
    ) -> Self {
        Self {
            spec: Spec {
                name,
                arity: Arity { min, max },
                tier,
                body: Body::None,
                newer: false,
                inert: false,
            },
            apply,
        }
    }

    /// A keyword alone.
    pub(crate) const fn flag(
        name: &'static str,
        tier: Tier,
        apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
    ) -> Self {
        Self::new(name, 0, Some(0), tier, apply)
    }

    /// A keyword with a value that may be left out.
    pub(crate) const fn optional(
        name: &'static str,
        tier: Tier,
        apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
    ) -> Self {
        Self::new(name, 0, Some(1), tier, apply)
    }

    /// A keyword with one value.
    pub(crate) const fn value(
        name: &'static str,
        tier: Tier,
        apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
    ) -> Self {
        Self::new(name, 1, Some(1), tier, apply)
    }

    /// A keyword with `min` words or more.
    pub(crate) const fn words(
        name: &'static str,
        min: usize,
        tier: Tier,
        apply: fn(&mut T, &Line<'_>, &mut Scope<'_>),
    ) -> Self {
        Self::new(name, min, None, tier, apply)
    }

    /// With at most `max` words.
    pub(crate) const fn at_most(mut self, max: usize) -> Self {
        self.spec.arity.max = Some(max);
        self
    }

    /// With a block of keywords.
    pub(crate) const fn block(mut self, block: Block) -> Self {
        self.spec.body = Body::Keywords(block);
        self
    }

    /// With a block of entries.
    pub(crate) const fn entries(mut self) -> Self {
        self.spec.body = Body::Entries;
        self
    }

    /// Not in keepalived 2.2.7.
    pub(crate) const fn newer(mut self) -> Self {
        self.spec.newer = true;
        self
    }

    /// Accepted without effect.
    pub(crate) const fn inert(mut self) -> Self {
        self.spec.inert = true;
        self
    }
}

/// Applies the known statements of a block to `target`, in their order.
pub(crate) fn apply_all<T>(
    tables: &[&'static [Keyword<T>]],
    statements: &[Statement],
    target: &mut T,
    scope: &mut Scope<'_>,
) {
    for statement in statements.iter().filter(|statement| statement.is_known()) {
        let name = statement.word(0).unwrap_or_default();
        let Some(keyword) = lookup(tables, name) else {
            continue;
        };
        if statement.word_count() > keyword.spec.arity.min {
            (keyword.apply)(target, &Line::new(statement), scope);
        }
    }
}

fn lookup<T>(tables: &[&'static [Keyword<T>]], name: &str) -> Option<&'static Keyword<T>> {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .find(|keyword| keyword.spec.name == name)
}

#[cfg(test)]
mod tests;
