//! How keys are compared, and found among many.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::{EntryError, EntryId};
use crate::rules::{PatternError, Texts};

/// How keys of a map are compared with what is looked up. HAProxy's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// The key is the text.
    Str,
    /// The text begins with it; of several the longest.
    Beg,
    /// The text ends with it; of several the first.
    End,
    /// It is somewhere in the text; of several the first, and so below.
    Sub,
    /// It is a whole part of the text, or several, between slashes.
    Dir,
    /// It is a whole part of the text, or several, between dots.
    Dom,
    /// A regular expression that finds something in the text.
    Reg,
    /// The text is an address in this network; of several the smallest.
    Ip,
}

/// Numbers of entries with one key, lowest first.
type Ids = Vec<EntryId>;

/// Keys, ready to be found.
#[derive(Debug)]
pub(super) enum Index {
    Whole(HashMap<Box<[u8]>, Ids>),
    /// Keys, and how many there are of each length.
    Parts {
        keys: HashMap<Box<[u8]>, Ids>,
        lengths: BTreeMap<Reverse<usize>, usize>,
        at_end: bool,
    },
    /// By how many bits count, most first: addresses with only those.
    Networks(BTreeMap<Reverse<u8>, HashMap<u128, Ids>>),
    /// Expressions by number, and all of them as one machine.
    Expressions {
        how: How,
        by_id: BTreeMap<EntryId, Box<str>>,
        set: RegexSet,
        ids: Ids,
        stale: bool,
    },
}

impl Index {
    pub(super) fn new(how: How) -> Self {
        match how {
            How::Str => Self::Whole(HashMap::new()),
            How::Beg | How::End => {
                Self::Parts { keys: HashMap::new(), lengths: BTreeMap::new(), at_end: how == How::End }
            }
            How::Ip => Self::Networks(BTreeMap::new()),
            How::Sub | How::Dir | How::Dom | How::Reg => Self::Expressions {
                how,
                by_id: BTreeMap::new(),
                set: RegexSet::empty(),
                ids: Vec::new(),
                stale: false,
            },
        }
    }

    /// The entry for a text.
    pub(super) fn find(&self, text: &[u8]) -> Option<EntryId> {
        match self {
            Self::Whole(keys) => first(keys.get(text)),
            Self::Parts { keys, lengths, at_end } => {
                let fitting = lengths.keys().map(|length| length.0).filter(|length| *length <= text.len());
                if *at_end {
                    fitting.filter_map(|l| first(keys.get(text.get(text.len() - l..)?))).min()
                } else {
                    fitting.filter_map(|l| first(keys.get(text.get(..l)?))).next()
                }
            }
            Self::Networks(_) => self.find_address(std::str::from_utf8(text).ok()?.parse().ok()?),
            Self::Expressions { set, ids, .. } => {
                set.matches(text).iter().next().and_then(|at| ids.get(at)).copied()
            }
        }
    }

    /// The entry for an address.
    pub(super) fn find_address(&self, address: IpAddr) -> Option<EntryId> {
        let Self::Networks(by_prefix) = self else { return None };
        let bits = bits_of(address);
        by_prefix.iter().find_map(|(prefix, networks)| first(networks.get(&masked(bits, prefix.0))))
    }

    /// Puts a key in. One that is looked for in texts is not found before [`Self::settle`].
    pub(super) fn insert(&mut self, key: &str, id: EntryId) -> Result<(), EntryError> {
        match self {
            Self::Whole(keys) => keys.entry(key.as_bytes().into()).or_default().push(id),
            Self::Parts { keys, lengths, .. } => {
                keys.entry(key.as_bytes().into()).or_default().push(id);
                *lengths.entry(Reverse(key.len())).or_default() += 1;
            }
            Self::Networks(by_prefix) => {
                let (bits, prefix) = network(key).ok_or(EntryError::Network)?;
                by_prefix.entry(Reverse(prefix)).or_default().entry(bits).or_default().push(id);
            }
            Self::Expressions { how, by_id, stale, .. } => {
                let expression = expression(*how, key)?;
                by_id.insert(id, expression.into());
                *stale = true;
            }
        }
        Ok(())
    }

    /// Takes a key out, which is there.
    pub(super) fn remove(&mut self, key: &str, id: EntryId) {
        match self {
            Self::Whole(keys) => forget(keys, key.as_bytes(), id),
            Self::Parts { keys, lengths, .. } => {
                forget(keys, key.as_bytes(), id);
                let length = Reverse(key.len());
                if let Some(count) = lengths.get_mut(&length) {
                    *count -= 1;
                    if *count == 0 {
                        lengths.remove(&length);
                    }
                }
            }
            Self::Networks(by_prefix) => {
                let Some((bits, prefix)) = network(key) else { return };
                if let Some(networks) = by_prefix.get_mut(&Reverse(prefix)) {
                    forget(networks, &bits, id);
                    if networks.is_empty() {
                        by_prefix.remove(&Reverse(prefix));
                    }
                }
            }
            Self::Expressions { by_id, stale, .. } => {
                by_id.remove(&id);
                *stale = true;
            }
        }
    }

    /// Makes what is looked for in texts ready.
    pub(super) fn settle(&mut self, nocase: bool) -> Result<(), EntryError> {
        let Self::Expressions { by_id, set, ids, stale, .. } = self else { return Ok(()) };
        if !*stale {
            return Ok(());
        }
        let mut builder = RegexSetBuilder::new(by_id.values());
        builder.unicode(false).case_insensitive(nocase).dot_matches_new_line(true).size_limit(LARGEST);
        *set = builder.build().map_err(|error| PatternError::of(&error))?;
        *ids = by_id.keys().copied().collect();
        *stale = false;
        Ok(())
    }
}

fn first(ids: Option<&Ids>) -> Option<EntryId> {
    ids?.first().copied()
}

fn forget<K, Q>(keys: &mut HashMap<K, Ids>, key: &Q, id: EntryId)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(ids) = keys.get_mut(key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            keys.remove(key);
        }
    }
}

fn expression(how: How, key: &str) -> Result<String, PatternError> {
    Ok(match how {
        How::Reg => {
            Texts::check(crate::rules::How::Regex, key)?;
            format!("(?:{key})")
        }
        How::Dir => format!("(?:^|/){}(?:/|$)", regex::escape(key.trim_matches('/'))),
        How::Dom => format!("(?:^|[.]){}(?:[.]|$)", regex::escape(key.trim_matches('.'))),
        How::Str | How::Beg | How::End | How::Sub | How::Ip => regex::escape(key),
    })
}

/// The address of a network without the bits that do not count, and how many do, as of IPv6.
fn network(key: &str) -> Option<(u128, u8)> {
    let (address, prefix) =
        key.split_once('/').map_or((key, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let prefix = match prefix {
        Some(prefix) => prefix.parse::<u8>().ok().filter(|prefix| *prefix <= most)?,
        None => most,
    };
    let prefix = before + prefix;
    Some((masked(bits_of(address), prefix), prefix))
}

/// IPv4 addresses are looked for in IPv6 form.
fn bits_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn masked(bits: u128, prefix: u8) -> u128 {
    bits & !u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

/// What expressions may take when they are compiled.
const LARGEST: usize = 64 << 20;
