//! Progress bars on standard error, if that is a terminal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::style::TemplateError;
use indicatif::{ProgressBar, ProgressStyle};
use kapok_producer::{GraphListener, GraphProgress, Store};

const REDRAWN_EVERY: Duration = Duration::from_millis(100);

/// Makes a bar that counts bytes.
pub fn bytes(what: &'static str, len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {bytes}/{total_bytes} {eta}");
    bar(ProgressBar::new(len), style, what)
}

/// Makes a spinner, for work of unknown length.
pub fn spinner(what: &'static str) -> ProgressBar {
    let bar = bar(ProgressBar::new_spinner(), spinner_style(), what);
    bar.enable_steady_tick(REDRAWN_EVERY);
    bar
}

/// Shows how much of so many bytes a store has received, until the work that asks for them is done.
pub async fn while_downloading<T>(store: &Store, len: u64, work: impl Future<Output = T>) -> T {
    let (bar, before) = (bytes("downloading", len), store.received_bytes());
    let mut work = std::pin::pin!(work);
    let done = loop {
        match tokio::time::timeout(REDRAWN_EVERY, &mut work).await {
            Ok(done) => break done,
            Err(_) => bar.set_position(store.received_bytes() - before),
        }
    };
    bar.finish_and_clear();
    done
}

/// What is shown while a version is stored: a spinner, or how far a graph of vectors is.
#[derive(Clone, Debug, Default)]
pub struct StoringBar(Arc<Mutex<Option<ProgressBar>>>);

impl StoringBar {
    /// Shows the spinner.
    pub fn begin(&self) {
        self.with(|_| {});
    }

    /// Returns what shows graphs.
    pub fn listener(&self) -> GraphListener {
        let own = self.clone();
        GraphListener::new(move |step| own.with(|bar| show_graph(bar, step.graph)))
    }

    /// Takes it off the terminal.
    pub fn end(&self) {
        if let Some(bar) = self.lock().take() {
            bar.finish_and_clear();
        }
    }

    fn with(&self, f: impl FnOnce(&ProgressBar)) {
        f(self.lock().get_or_insert_with(|| spinner(STORING)));
    }

    fn lock(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const STORING: &str = "storing";

fn show_graph(bar: &ProgressBar, graph: GraphProgress<'_>) {
    let (style, message) = match graph.linked {
        linked if linked == graph.vectors => (spinner_style(), STORING),
        _ => (ProgressStyle::with_template("{msg:>10} {wide_bar} {human_pos}/{human_len} vectors {eta}"), "graph"),
    };
    bar.set_length(graph.vectors as u64);
    bar.set_position(graph.linked as u64);
    if bar.message() != message {
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(message);
    }
}

fn spinner_style() -> Result<ProgressStyle, TemplateError> {
    ProgressStyle::with_template("{msg:>10} {spinner} {elapsed}")
}

fn bar<E>(bar: ProgressBar, style: Result<ProgressStyle, E>, what: &'static str) -> ProgressBar {
    let bar = match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.with_message(what)
}
