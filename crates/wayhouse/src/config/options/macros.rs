//! How options of the usual kinds are written down.

/// A number that stands in one field.
macro_rules! number {
    ($key:literal, $($field:ident).+, $min:expr, $max:expr, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Number($min, $max),
            is_secret: false,
            read: |settings| Value::Number(settings.$($field).+ as u64),
            write: |settings, value| {
                settings.$($field).+ = value.number() as _;
                Ok(())
            },
        }
    };
}

/// A flag that stands in one field.
macro_rules! flag {
    ($key:literal, $($field:ident).+, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Flag,
            is_secret: false,
            read: |settings| Value::Flag(settings.$($field).+),
            write: |settings, value| {
                settings.$($field).+ = value.flag();
                Ok(())
            },
        }
    };
}

/// A duration that stands in one field, in milliseconds.
macro_rules! milliseconds {
    ($key:literal, $($field:ident).+, $min:expr, $max:expr, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Number($min, $max),
            is_secret: false,
            read: |settings| Value::Number(settings.$($field).+.as_millis() as u64),
            write: |settings, value| {
                settings.$($field).+ = Duration::from_millis(value.number());
                Ok(())
            },
        }
    };
}

/// Something else.
macro_rules! setting {
    ($key:literal, $kind:expr, $read:expr, $write:expr, $($about:literal),+) => {
        Setting { key: $key, about: &[$($about),+], kind: $kind, is_secret: false, read: $read, write: $write }
    };
}
