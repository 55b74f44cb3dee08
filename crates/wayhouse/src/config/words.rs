//! Words that stand for something in settings.

/// A table of words and what they stand for.
pub type Words<T> = [(&'static str, T)];
