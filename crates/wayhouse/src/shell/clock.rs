//! Time: a monotone clock that goes on while the machine sleeps, a timer by the same clock, and the time of day.
//!
//! `Instant::now()` stops during suspend, and a lease would then outlive its lifetime. The clock here reads
//! `CLOCK_BOOTTIME` and tells it as an `Instant`, counted from its own start; such instants are comparable with one
//! another only.

use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::udp::watch;

/// A monotone clock that counts suspended time; copies tell the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    origin_boottime: Duration,
}

impl Clock {
    /// A clock.
    pub fn start() -> Clock {
        Clock { origin: Instant::now(), origin_boottime: boottime() }
    }
    /// The present moment.
    pub fn now(&self) -> Instant {
        self.origin + boottime().saturating_sub(self.origin_boottime)
    }
    /// The same moment on the system's clock.
    fn boottime_of(&self, at: Instant) -> Duration {
        self.origin_boottime + at.saturating_duration_since(self.origin)
    }
}

/// The time of day, milliseconds since 1970; 0 when the system's clock stands before that.
pub fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn boottime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Wakes the loop at a moment of a [`Clock`]. It may wake too early, never too late.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    clock: Clock,
    armed: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When the system has no timer left to give.
    pub fn new(clock: Clock) -> std::io::Result<Alarm> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Alarm { timer: watch(timer, Interest::READABLE)?, clock, armed: None })
    }

    /// Waits until `at`, or until an earlier moment asked for before: moving the timer back would cost a system call
    /// for nearly every message, a needless wake-up costs little.
    pub fn poll(&mut self, context: &mut Context<'_>, at: Option<Instant>) -> Poll<()> {
        if let Some(at) = at
            && self.armed.is_none_or(|armed| at < armed)
        {
            self.arm(at);
        }
        if self.armed.is_none() {
            return Poll::Pending;
        }
        let Ok(mut guard) = ready!(self.timer.poll_read_ready(context)) else { return Poll::Ready(()) };
        let mut expirations = [0; 8];
        let is_fired = rustix::io::read(self.timer.get_ref(), &mut expirations).is_ok();
        guard.clear_ready();
        if is_fired {
            self.armed = None;
            return Poll::Ready(());
        }
        // Readiness from before the timer was set anew: ask again, so that the waker is registered.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn arm(&mut self, at: Instant) {
        // An absolute time of zero would disarm the timer.
        let due = self.clock.boottime_of(at).max(Duration::from_nanos(1));
        let due = Timespec { tv_sec: due.as_secs() as i64, tv_nsec: i64::from(due.subsec_nanos()) };
        let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: never_again, it_value: due };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &setting)
            .expect("an absolute time in normal form is accepted");
        self.armed = Some(at);
    }
}
