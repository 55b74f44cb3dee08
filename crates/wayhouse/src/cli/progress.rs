//! A sign of life on a terminal while something takes longer than a second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::client::Traffic;

/// The sign, invisible at first; it disappears when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    since: Instant,
    before: Option<Traffic>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Between two looks at what has passed.
    pub(super) const STEP: Duration = Duration::from_millis(200);
    /// Nothing is shown for what is done sooner.
    const SHOWN_AFTER: Duration = Duration::from_secs(1);

    /// Starts to count the time.
    pub(super) fn new() -> Progress {
        Progress { since: Instant::now(), before: None, bar: None }
    }

    /// Shows what has passed since the first look.
    pub(super) fn show(&mut self, traffic: Traffic) {
        let before = *self.before.get_or_insert(traffic);
        if self.since.elapsed() < Progress::SHOWN_AFTER || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is well-formed"));
            bar
        });
        bar.set_message(sentence(before, traffic, self.since.elapsed()));
        bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn sentence(before: Traffic, traffic: Traffic, elapsed: Duration) -> String {
    let received = traffic.received_octets - before.received_octets;
    let sent = traffic.sent_octets - before.sent_octets;
    match traffic.announced_octets {
        _ if received == 0 => format!("waiting for an answer, {} s", elapsed.as_secs()),
        Some(octets) => format!("received {} of {}", HumanBytes(received), HumanBytes(octets)),
        None => format!("sent {}, received {}", HumanBytes(sent), HumanBytes(received)),
    }
}
