//! `ReplayStore`: where the numbers of the last messages are kept.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

/// Keeps one number for each channel.
///
/// It is called from the task of the connection, so it must not block.
pub trait ReplayStore: Debug + Send {
    /// The number of the last message of this channel.
    fn get(&mut self, channel: &str) -> Option<i64>;

    /// A message has come.
    fn put(&mut self, channel: &str, number: i64);

    /// The number is of no use any more.
    fn forget(&mut self, channel: &str);
}

/// For as long as the program runs.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(BTreeMap<Box<str>, i64>);

impl ReplayStore for MemoryStore {
    fn get(&mut self, channel: &str) -> Option<i64> {
        self.0.get(channel).copied()
    }

    fn put(&mut self, channel: &str, number: i64) {
        match self.0.get_mut(channel) {
            Some(known) => *known = number,
            None => drop(self.0.insert(channel.into(), number)),
        }
    }

    fn forget(&mut self, channel: &str) {
        self.0.remove(channel);
    }
}

/// In a file: one JSON object, a number for each channel.
///
/// A thread of its own writes it, as often as it can and at the end, when this is dropped. The file is replaced as a whole, so it is never half written. A
/// number that could not be written is a warning in the log, and is tried again with the next.
#[derive(Debug)]
pub struct FileStore {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    numbers: MemoryStore,
    is_written: bool,
    is_over: bool,
}

impl FileStore {
    /// Reads the file, if there is one, and keeps it from now on.
    ///
    /// # Errors
    /// It can't be read, or holds something else.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let numbers = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        };
        let kept = Mutex::new(Kept { numbers: MemoryStore(numbers), is_written: true, is_over: false });
        let shared = Arc::new(Shared { path, kept, changed: Condvar::new() });
        let writer = std::thread::Builder::new().name("replay-store".into()).spawn({
            let shared = shared.clone();
            move || shared.write_all()
        })?;
        Ok(Self { shared, writer: Some(writer) })
    }

    fn change(&self, change: impl FnOnce(&mut MemoryStore)) {
        let mut kept = self.shared.lock();
        change(&mut kept.numbers);
        kept.is_written = false;
        self.shared.changed.notify_one();
    }
}

impl ReplayStore for FileStore {
    fn get(&mut self, channel: &str) -> Option<i64> {
        self.shared.lock().numbers.get(channel)
    }

    fn put(&mut self, channel: &str, number: i64) {
        self.change(|numbers| numbers.put(channel, number));
    }

    fn forget(&mut self, channel: &str) {
        self.change(|numbers| numbers.forget(channel));
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            // If it has panicked, there is nothing left to write with.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the end, and whatever is new then.
    fn write_all(&self) {
        let mut kept = self.lock();
        loop {
            if !kept.is_written {
                kept.is_written = true;
                let text = serde_json::to_vec(&kept.numbers.0).unwrap_or_default();
                drop(kept);
                if let Err(error) = self.write(&text) {
                    tracing::warn!(%error, path = %self.path.display(), "can't keep the numbers of what has come");
                }
                kept = self.lock();
            } else if kept.is_over {
                return;
            } else {
                kept = self.changed.wait(kept).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut fresh = self.path.clone().into_os_string();
        fresh.push(".new");
        fs::write(&fresh, text)?;
        fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("bayeux-replay-{}-{name}.json", std::process::id()))
    }

    #[test]
    fn what_was_put_is_there_when_it_is_opened_again() {
        let path = path("again");
        let mut store = FileStore::open(&path).expect("there is none yet");
        assert_eq!(store.get("/a"), None);
        (1..=100).for_each(|number| store.put("/a", number));
        store.put("/b", -7);
        store.put("/c", 1);
        store.forget("/c");
        assert_eq!(store.get("/a"), Some(100));
        drop(store);
        assert_eq!(fs::read_to_string(&path).expect("it was written"), r#"{"/a":100,"/b":-7}"#);
        let mut again = FileStore::open(&path).expect("it is read");
        assert_eq!((again.get("/a"), again.get("/b"), again.get("/c")), (Some(100), Some(-7), None));
        drop(again);
        fs::remove_file(path).expect("it goes");
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let path = path("other");
        fs::write(&path, "[1]").expect("it is written");
        let error = FileStore::open(&path).expect_err("no numbers");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("bayeux-replay-"), "it says which file: {error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "[1]");
        fs::remove_file(path).expect("it goes");
    }
}
