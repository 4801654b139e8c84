//! A disk in memory that fails as disks do, for tests: it loses, tears and reorders what was not synced.
//!
//! Invariant: everything follows from the seed. What a sync has covered survives; of the rest each sector of 512 bytes is after a crash
//! as it was, as it was written, or torn within, and a name that was not synced is there or not.
//! Not here: sectors that rot after they were synced; the tests flip those themselves.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::device::{Device, DeviceFile};

const SECTOR_BYTES: usize = 512;

/// Numbers that follow from a seed: splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Default)]
pub struct Plan {
    /// Operations until the power fails in the middle of one. All fail from then on, until [`Disk::crash`].
    pub power_fails_in: Option<u64>,
    /// One operation in so many fails.
    pub fails_once_in: Option<usize>,
    /// Bytes that fit.
    pub bytes_max: Option<usize>,
    /// The folder is gone.
    pub is_vanished: bool,
}

/// The disk. It may have several folders.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<World>>);

/// One folder of it.
pub struct Folder {
    disk: Disk,
    prefix: String,
}

struct OpenFile {
    disk: Disk,
    id: usize,
}

struct World {
    chance: Chance,
    plan: Plan,
    is_off: bool,
    files: Vec<Content>,
    /// Names as a program sees them, and as they were at the last sync of the folder.
    names: BTreeMap<String, usize>,
    names_durable: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Content {
    written: Vec<u8>,
    /// What is on the medium.
    durable: Vec<u8>,
    /// Bytes that no sync will write any more: they were synced, or a sync of them failed.
    clean: usize,
}

impl Disk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            chance: Chance::new(seed),
            plan: Plan::default(),
            is_off: false,
            files: Vec::new(),
            names: BTreeMap::new(),
            names_durable: BTreeMap::new(),
        })))
    }

    pub fn folder(&self, name: &str) -> Arc<Folder> {
        Arc::new(Folder { disk: self.clone(), prefix: format!("{name}/") })
    }

    pub fn plan(&self, plan: Plan) {
        self.0.lock().plan = plan;
    }

    /// Looks at what is there while nothing fails.
    pub fn calmly<T>(&self, look: impl FnOnce() -> T) -> T {
        let (plan, is_off) = {
            let mut world = self.0.lock();
            (std::mem::take(&mut world.plan), std::mem::take(&mut world.is_off))
        };
        let seen = look();
        let mut world = self.0.lock();
        (world.plan, world.is_off) = (plan, is_off);
        seen
    }

    /// Whether the power has failed.
    pub fn is_off(&self) -> bool {
        self.0.lock().is_off
    }

    /// What is there after the power has come back. Open files are of no use any more.
    pub fn crash(&self) {
        let mut world = self.0.lock();
        let World { chance, files, names, names_durable, plan, is_off } = &mut *world;
        for content in files {
            content.tear(chance, content.written.len());
            content.written.clone_from(&content.durable);
            content.clean = content.durable.len();
        }
        let mut after = BTreeMap::new();
        for (name, id) in names.iter().chain(names_durable.iter()) {
            let is_sure = names.contains_key(name) && names_durable.contains_key(name);
            if is_sure || chance.once_in(2) {
                after.insert(name.clone(), *id);
            }
        }
        names.clone_from(&after);
        *names_durable = after;
        (*plan, *is_off) = (Plan::default(), false);
    }
}

impl Content {
    /// Of what is dirty, as far as `length`, some comes to the medium.
    fn tear(&mut self, chance: &mut Chance, length: usize) {
        let clean = self.clean;
        if length <= clean {
            return;
        }
        let end = match chance.below(4) {
            0 => clean,
            1 => length,
            _ => clean + chance.below(length - clean + 1),
        };
        let end = end.max(self.durable.len());
        let filler = if chance.once_in(2) { 0 } else { chance.next() as u8 };
        self.durable.resize(end, filler);
        let first = clean / SECTOR_BYTES * SECTOR_BYTES;
        for sector in (first..end).step_by(SECTOR_BYTES) {
            let (begin, stop) = (sector.max(clean), (sector + SECTOR_BYTES).min(end));
            let new_until = match chance.below(4) {
                0 => begin,
                1 => begin + chance.below(stop - begin + 1),
                _ => stop,
            };
            self.durable[begin..new_until].copy_from_slice(&self.written[begin..new_until]);
        }
    }
}

impl World {
    /// Counts an operation: whether it is done, done in part and fails, or not done at all.
    fn begin(&mut self) -> Result<(), (bool, io::Error)> {
        if self.is_off {
            return Err((false, io::Error::other("no power")));
        }
        if self.plan.is_vanished {
            return Err((false, ErrorKind::NotFound.into()));
        }
        match &mut self.plan.power_fails_in {
            Some(0) => {
                self.is_off = true;
                return Err((true, io::Error::other("the power fails")));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.plan.fails_once_in.is_some_and(|times| self.chance.once_in(times)) {
            return Err((self.chance.once_in(2), io::Error::other("a fault of the disk")));
        }
        Ok(())
    }

    fn append(&mut self, id: usize, data: &[u8]) -> io::Result<()> {
        let begun = self.begin();
        let used: usize = self.names.values().map(|id| self.files[*id].written.len()).sum();
        let fits = self.plan.bytes_max.map_or(data.len(), |most| most.saturating_sub(used).min(data.len()));
        let (count, error) = match begun {
            Ok(()) if fits == data.len() => (fits, None),
            Ok(()) => (fits, Some(ErrorKind::StorageFull.into())),
            Err((true, error)) => (self.chance.below(fits + 1), Some(error)),
            Err((false, error)) => (0, Some(error)),
        };
        self.files[id].written.extend_from_slice(&data[..count]);
        error.map_or(Ok(()), Err)
    }

    fn sync(&mut self, id: usize) -> io::Result<()> {
        let begun = self.begin();
        let content = &mut self.files[id];
        match begun {
            Ok(()) => {
                // After a sync that failed the system holds its pages for clean: they are not written again.
                content.durable.resize(content.written.len().max(content.durable.len()), 0);
                let (clean, end) = (content.clean, content.written.len());
                content.durable[clean..end].copy_from_slice(&content.written[clean..end]);
                content.clean = end;
                Ok(())
            }
            Err((false, error)) if self.is_off || self.plan.is_vanished => Err(error),
            Err((_, error)) => {
                content.tear(&mut self.chance, content.written.len());
                content.clean = content.written.len();
                Err(error)
            }
        }
    }
}

impl Folder {
    /// The bytes of a file as the program sees them, to be changed.
    pub fn rot(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.disk.0.lock();
        let id = world.names[&format!("{}{name}", self.prefix)];
        change(&mut world.files[id].written);
    }
}

impl Device for Folder {
    fn create(&self, name: &str) -> io::Result<Box<dyn DeviceFile>> {
        let mut world = self.disk.0.lock();
        let path = format!("{}{name}", self.prefix);
        let begun = world.begin();
        if world.names.contains_key(&path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if matches!(begun, Ok(()) | Err((true, _))) {
            let id = world.files.len();
            world.files.push(Content::default());
            world.names.insert(path, id);
        }
        begun.map_err(|(_, error)| error)?;
        Ok(Box::new(OpenFile { disk: self.disk.clone(), id: world.files.len() - 1 }))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.disk.0.lock();
        match world.begin() {
            Ok(()) => {
                let names = world.names.clone();
                let (prefix, durable) = (&self.prefix, &mut world.names_durable);
                durable.retain(|name, _| !name.starts_with(prefix.as_str()));
                durable.extend(names.into_iter().filter(|(name, _)| name.starts_with(prefix.as_str())));
                Ok(())
            }
            Err((_, error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut world = self.disk.0.lock();
        world.begin().map_err(|(_, error)| error)?;
        let own = world.names.iter().filter_map(|(name, id)| Some((name.strip_prefix(&self.prefix)?, id)));
        Ok(own.map(|(name, id)| (name.to_owned(), world.files[*id].written.len() as u64)).collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut world = self.disk.0.lock();
        world.begin().map_err(|(_, error)| error)?;
        let id = world.names.get(&format!("{}{name}", self.prefix)).ok_or(ErrorKind::NotFound)?;
        Ok(world.files[*id].written.clone())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.disk.0.lock();
        let begun = world.begin();
        let path = format!("{}{name}", self.prefix);
        if matches!(begun, Ok(()) | Err((true, _))) && world.names.remove(&path).is_none() {
            return Err(ErrorKind::NotFound.into());
        }
        begun.map_err(|(_, error)| error)
    }
}

impl DeviceFile for OpenFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.disk.0.lock().append(self.id, data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.0.lock().sync(self.id)
    }
}
