//! The templates of a stream's compact messages, for as long as the stream holds a segment that needs them.
//!
//! One that is much like the one before is kept as what is other of it, so that series that come and go cost what they are. Who reads
//! one message after the other has the one before at hand; who does not follows at most [`CHAIN_MAX`] of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::compact::Template;
use crate::limits::TEMPLATE_CHAIN_MAX as CHAIN_MAX;

/// Templates by their numbers.
#[derive(Default)]
pub struct Templates {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The number that was given last. 0 is a template without anything.
    last: u64,
    kept: BTreeMap<u64, Kept>,
    bytes: usize,
}

struct Kept {
    body: Body,
    /// Where somebody has it.
    at_hand: Weak<Template>,
    /// The newest segment that needs it.
    needed_by: u64,
}

enum Body {
    Whole(Arc<Template>),
    /// What leads to it from the template of this number, and how many lead to that one.
    Of {
        base: u64,
        chain: usize,
        change: Vec<u8>,
    },
}

impl Kept {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                Body::Whole(template) => template.bytes(),
                Body::Of { change, .. } => change.len(),
            }
    }
}

impl Templates {
    /// Keeps a template that this segment, or a later one, will need, and gives it a number. It is much like the template of the number
    /// `before`, if any is.
    pub fn add(&self, template: &Arc<Template>, before: (u64, &Template), sequence: u64) -> u64 {
        let mut inner = self.inner.lock();
        inner.last += 1;
        let id = inner.last;
        inner.put(id, template, before, sequence);
        id
    }

    /// Keeps a template that has a number, unless it is kept, for this segment.
    pub fn put(&self, id: u64, template: &Arc<Template>, sequence: u64) {
        let mut inner = self.inner.lock();
        if !inner.need(id, sequence) {
            inner.put(id, template, (0, &Template::default()), sequence);
        }
    }

    /// Keeps a template that has this number; it is much like that of the number `before`.
    pub fn keep(&self, id: u64, template: &Arc<Template>, before: (u64, &Template), sequence: u64) {
        let mut inner = self.inner.lock();
        if !inner.need(id, sequence) {
            inner.put(id, template, before, sequence);
        }
    }

    /// Notes that this segment needs it. Whether it is kept.
    pub fn need(&self, id: u64, sequence: u64) -> bool {
        self.inner.lock().need(id, sequence)
    }

    /// Bytes of all.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// The template of this number, if it is kept.
    pub fn get(&self, id: u64) -> Option<Arc<Template>> {
        self.inner.lock().get(id)
    }

    /// Forgets those that no segment from this one on needs. What is left has so many bytes.
    pub fn forget_before(&self, sequence: u64) -> usize {
        let mut inner = self.inner.lock();
        let mut bytes = inner.bytes;
        inner.kept.retain(|_, kept| {
            let stays = kept.needed_by >= sequence;
            bytes -= if stays { 0 } else { kept.bytes() };
            stays
        });
        inner.bytes = bytes;
        bytes
    }
}

impl Inner {
    fn put(&mut self, id: u64, template: &Arc<Template>, (base, before): (u64, &Template), needed_by: u64) {
        let chain = match self.kept.get(&base).map(|kept| &kept.body) {
            None => CHAIN_MAX,
            Some(Body::Whole(_)) => 0,
            Some(Body::Of { chain, .. }) => chain + 1,
        };
        let change = if chain < CHAIN_MAX { template.write(before) } else { Vec::new() };
        let body = if chain < CHAIN_MAX && change.len() < template.fixed.len() / 2 {
            self.need(base, needed_by);
            Body::Of { base, chain, change }
        } else {
            Body::Whole(Arc::clone(template))
        };
        let kept = Kept { body, at_hand: Arc::downgrade(template), needed_by };
        self.last = self.last.max(id);
        self.bytes += kept.bytes();
        self.kept.insert(id, kept);
    }

    /// Notes that this segment needs it, and with it what it is told by. Whether it is there.
    fn need(&mut self, mut id: u64, sequence: u64) -> bool {
        let found = self.kept.contains_key(&id);
        while let Some(kept) = self.kept.get_mut(&id)
            && kept.needed_by < sequence
        {
            kept.needed_by = sequence;
            let Body::Of { base, .. } = kept.body else { break };
            id = base;
        }
        found
    }

    fn get(&mut self, id: u64) -> Option<Arc<Template>> {
        if id == 0 {
            return Some(Arc::default());
        }
        let (mut changes, mut at) = (Vec::new(), id);
        let mut template = loop {
            let kept = self.kept.get(&at)?;
            match (&kept.body, kept.at_hand.upgrade()) {
                (Body::Whole(template), _) => break Arc::clone(template),
                (_, Some(template)) => break template,
                (Body::Of { base, .. }, None) => {
                    changes.push(at);
                    at = *base;
                }
            }
        };
        for at in changes.into_iter().rev() {
            let kept = self.kept.get_mut(&at)?;
            let Body::Of { change, .. } = &kept.body else { return None };
            template = Arc::new(Template::read(change, &template).ok()?);
            kept.at_hand = Arc::downgrade(&template);
        }
        Some(template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(n: usize) -> Arc<Template> {
        let mut fixed = vec![7; 5_000];
        fixed.extend(std::iter::repeat_n(b'x', n * 10));
        Arc::new(Template { fixed, ..Template::default() })
    }

    #[test]
    fn templates_that_are_alike_are_kept_in_few_bytes_and_found_for_as_long_as_they_are_needed() {
        let templates = Templates::default();
        let mut before = (0, Arc::default());
        for n in 0..500_u64 {
            let next = template(n as usize);
            before = (templates.add(&next, (before.0, &before.1), n), next);
            assert_eq!(before.0, n + 1);
        }
        let whole = 500_usize.div_ceil(CHAIN_MAX) * 12_000;
        let bytes = templates.forget_before(0);
        assert!(bytes < whole + 500 * 150, "{bytes} bytes");
        drop(before);
        for n in [499, 0, 77, 300] {
            assert_eq!(templates.get(n + 1), Some(template(n as usize)));
        }
        templates.put(100, &template(99), 600); // which is needed again, and so is what it is told by
        let left = templates.forget_before(490);
        assert!(left < bytes / 5, "{left} bytes");
        assert_eq!((templates.get(100), templates.get(491)), (Some(template(99)), Some(template(490))));
        assert!(templates.get(400).is_none() && templates.get(501).is_none());
        assert_eq!(templates.get(0), Some(Arc::default()));
        templates.put(100, &template(99), 700);
        templates.forget_before(10_000);
        assert_eq!(templates.forget_before(10_000), 0);
    }
}
