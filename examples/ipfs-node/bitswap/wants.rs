//! The blocks that this node waits for, and who waits.
//!
//! Invariant: a block reaches its waiter only under the CID that its bytes hash to; what nobody waits for is dropped.
//! Invariant: at most [`WANTS_MAX`] blocks are wanted at a time.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use libp2p::PeerId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::bitswap::message::{Block, BlockPresence, Presence};

/// Most blocks that are wanted at a time.
pub const WANTS_MAX: usize = 256;

/// Answers that wait to be read; further ones are dropped.
const ANSWERS_MAX: usize = 16;

/// What a peer answers to a want.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The block, verified.
    Block { from: PeerId, data: Vec<u8> },
    /// The peer does not have it.
    DontHave { from: PeerId },
}

/// The wanted blocks. Cheap to clone; all clones are one list.
#[derive(Clone, Default)]
pub struct Wants(Arc<Mutex<HashMap<Cid, mpsc::Sender<Answer>>>>);

/// A wanted block, for as long as somebody waits for it.
pub struct Want {
    wants: Wants,
    cid: Cid,
    answers: mpsc::Receiver<Answer>,
}

impl Wants {
    /// Wants a block; `None` if it is wanted already, or too many others are.
    pub fn want(&self, cid: Cid) -> Option<Want> {
        let mut waiting = self.0.lock();
        if waiting.len() >= WANTS_MAX || waiting.contains_key(&cid) {
            return None;
        }
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        waiting.insert(cid, sender);
        Some(Want { wants: self.clone(), cid, answers })
    }

    /// Gives a peer's answers to those who wait for them.
    pub fn deliver(&self, from: PeerId, blocks: Vec<Block>, presences: &[BlockPresence]) {
        for block in blocks {
            if let Some(cid) = block.cid() {
                let data = block.data;
                self.answer(&cid, Answer::Block { from, data });
            }
        }
        for presence in presences {
            if presence.r#type == Presence::DontHave as i32
                && let Ok(cid) = Cid::try_from(presence.cid.as_slice())
            {
                self.answer(&cid, Answer::DontHave { from });
            }
        }
    }

    fn answer(&self, cid: &Cid, answer: Answer) {
        if let Some(waiting) = self.0.lock().get(cid) {
            let _ = waiting.try_send(answer);
        }
    }
}

impl Want {
    /// The next answer.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        self.wants.0.lock().remove(&self.cid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitswap::message::cid_of;

    fn answers(want: &mut Want) -> Vec<Answer> {
        std::iter::from_fn(|| want.answers.try_recv().ok()).collect()
    }

    #[test]
    fn a_wanted_block_arrives_and_others_do_not() {
        let (wants, from) = (Wants::default(), PeerId::random());
        let (cid, data) = (cid_of(b"wanted"), b"wanted".to_vec());
        let mut want = wants.want(cid).unwrap();
        let unwanted = Block::new(&cid_of(b"unwanted"), b"unwanted".to_vec());
        let forged = Block::new(&cid, b"forged".to_vec());
        wants.deliver(from, vec![unwanted, forged, Block::new(&cid, data.clone())], &[]);
        assert_eq!(answers(&mut want), [Answer::Block { from, data }]);
    }

    #[test]
    fn a_refusal_arrives_and_a_mere_presence_does_not() {
        let (wants, from, cid) = (Wants::default(), PeerId::random(), cid_of(b"wanted"));
        let mut want = wants.want(cid).unwrap();
        let presence = |presence, cid: Vec<u8>| BlockPresence { cid, r#type: presence };
        let damaged = presence(Presence::DontHave as i32, vec![1, 2, 3]);
        let have = presence(Presence::Have as i32, cid.to_bytes());
        let dont_have = presence(Presence::DontHave as i32, cid.to_bytes());
        wants.deliver(from, Vec::new(), &[damaged, have, dont_have]);
        assert_eq!(answers(&mut want), [Answer::DontHave { from }]);
    }

    #[test]
    fn a_block_is_wanted_once_at_a_time_and_the_list_is_bounded() {
        let wants = Wants::default();
        let cid = |n: usize| cid_of(&n.to_be_bytes());
        let held: Vec<Want> = (0..WANTS_MAX).map(|n| wants.want(cid(n)).unwrap()).collect();
        assert!(wants.want(cid(WANTS_MAX)).is_none());
        drop(held);
        let first = wants.want(cid(0));
        assert!(first.is_some() && wants.want(cid(0)).is_none());
    }

    #[test]
    fn a_flood_of_answers_is_dropped_beyond_the_bound() {
        let (wants, from, cid) = (Wants::default(), PeerId::random(), cid_of(b"wanted"));
        let mut want = wants.want(cid).unwrap();
        let presence = BlockPresence { cid: cid.to_bytes(), r#type: Presence::DontHave as i32 };
        wants.deliver(from, Vec::new(), &vec![presence; 1000]);
        assert_eq!(answers(&mut want).len(), ANSWERS_MAX);
    }
}
