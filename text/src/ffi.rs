//! What crosses the C face: owned strings and lists, status codes, caught panics.

use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::Once;

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    InvalidInput = 1,
    InvalidFile = 2,
    Internal = 3,
}

pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn input(message: impl Into<String>) -> Self {
        Failure {
            status: Status::InvalidInput,
            message: message.into(),
        }
    }

    pub fn file(message: impl Into<String>) -> Self {
        Failure {
            status: Status::InvalidFile,
            message: message.into(),
        }
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// A `Vec<T>` taken apart; `mm_text_string` and `mm_text_ids` in C.
#[repr(C)]
pub struct Owned<T> {
    data: *mut T,
    length: usize,
    capacity: usize,
}

impl<T> From<Vec<T>> for Owned<T> {
    fn from(values: Vec<T>) -> Self {
        let mut values = std::mem::ManuallyDrop::new(values);
        Owned {
            data: values.as_mut_ptr(),
            length: values.len(),
            capacity: values.capacity(),
        }
    }
}

unsafe fn free<T>(owned: *mut Owned<T>) {
    if let Some(owned) = owned.as_mut() {
        if !owned.data.is_null() {
            drop(Vec::from_raw_parts(
                owned.data,
                owned.length,
                owned.capacity,
            ));
            owned.data = std::ptr::null_mut();
            owned.length = 0;
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn mm_text_string_free(string: *mut Owned<u8>) {
    free(string);
}

#[no_mangle]
pub unsafe extern "C" fn mm_text_ids_free(ids: *mut Owned<u32>) {
    free(ids);
}

pub unsafe fn slice<'a, T>(data: *const T, length: usize) -> &'a [T] {
    if length == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, length)
    }
}

/// The text of a C caller; `what` names it in the error.
pub unsafe fn text<'a>(data: *const u8, length: usize, what: &str) -> Outcome<&'a str> {
    std::str::from_utf8(slice(data, length)).map_err(|error| {
        Failure::input(format!(
            "{what} is not valid UTF-8: found an invalid byte at offset {}, of {length} bytes; \
             pass UTF-8 text",
            error.valid_up_to()
        ))
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let detail = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no detail");
    format!("the text library failed: {detail}")
}

/// `catch_unwind` without the message on stderr: a library does not print.
fn catch<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| set_hook(Box::new(|_| {})));
    catch_unwind(AssertUnwindSafe(body))
}

/// Runs `body`, hands its value to `write`, or writes the error.
pub unsafe fn guard<T>(
    error: *mut Owned<u8>,
    body: impl FnOnce() -> Outcome<T>,
    write: impl FnOnce(T),
) -> Status {
    let outcome = catch(body).unwrap_or_else(|panic| {
        Err(Failure {
            status: Status::Internal,
            message: panic_message(panic.as_ref()),
        })
    });
    match outcome {
        Ok(value) => {
            write(value);
            Status::Ok
        }
        Err(failure) => {
            if !error.is_null() {
                error.write(failure.message.into_bytes().into());
            }
            failure.status
        }
    }
}

/// `guard` for questions that cannot fail but by a panic, which answers `fallback`.
pub fn guard_value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(fallback)
}
