//! Encoding and decoding by the `tokenizers` crate.

use tokenizers::{truncate_encodings, PostProcessor, TruncationParams};

use crate::ffi::{guard, guard_value, slice, text, Failure, Outcome, Owned, Status};

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    vocabulary_size: usize,
    byte_fallback: bool,
}

fn load(json: &[u8]) -> Outcome<Tokenizer> {
    let mut inner = tokenizers::Tokenizer::from_bytes(json)
        .map_err(|error| Failure::file(format!("tokenizer.json is damaged: {error}")))?;
    inner
        .with_truncation(None)
        .map_err(|error| Failure::file(error.to_string()))?;
    inner.with_padding(None);
    let vocabulary_size = inner.get_vocab_size(true);
    let decoder = serde_json::to_string(&inner.get_decoder())
        .map_err(|error| Failure::file(error.to_string()))?;
    Ok(Tokenizer {
        inner,
        vocabulary_size,
        byte_fallback: decoder.contains("\"ByteFallback\""),
    })
}

fn decode(tokenizer: &Tokenizer, ids: &[u32], skip_special_tokens: bool) -> Outcome<String> {
    if let Some(id) = ids
        .iter()
        .find(|id| tokenizer.inner.id_to_token(**id).is_none())
    {
        return Err(Failure::input(format!(
            "token id {id} is not in the vocabulary of {} tokens",
            tokenizer.vocabulary_size
        )));
    }
    tokenizer
        .inner
        .decode(ids, skip_special_tokens)
        .map_err(|error| Failure::input(format!("decoding failed: {error}")))
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_new(
    json: *const u8,
    length: usize,
    result: *mut *mut Tokenizer,
    error: *mut Owned<u8>,
) -> Status {
    guard(
        error,
        || load(slice(json, length)),
        |tokenizer| result.write(Box::into_raw(Box::new(tokenizer))),
    )
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_encode(
    tokenizer: *const Tokenizer,
    data: *const u8,
    length: usize,
    add_special_tokens: i32,
    result: *mut Owned<u32>,
    error: *mut Owned<u8>,
) -> Status {
    let encode = || {
        let input = text(data, length, "the text to encode")?;
        (*tokenizer)
            .inner
            .encode_fast(input, add_special_tokens != 0)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|error| Failure::input(format!("encoding failed: {error}")))
    };
    guard(error, encode, |ids| result.write(ids.into()))
}

/// The tokens of each text are cut before the special tokens are put around them.
fn encode_pair(
    tokenizer: &tokenizers::Tokenizer,
    text: &str,
    pair: Option<&str>,
    max_length: usize,
) -> Outcome<(Vec<u32>, Vec<u32>)> {
    let failed = |error| Failure::input(format!("encoding failed: {error}"));
    let encode = |text| tokenizer.encode_fast(text, false).map_err(failed);
    let mut first = encode(text)?;
    let mut second = pair.map(encode).transpose()?;
    if let Some(encoding) = &mut second {
        encoding.set_type_ids(vec![1; encoding.len()]);
    }
    if max_length > 0 {
        let added = tokenizer
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(second.is_some()));
        let room = max_length.checked_sub(added).ok_or_else(|| {
            Failure::input(format!(
                "max_length is {max_length}, but the tokenizer adds {added} special tokens; \
                 at least {added} is needed"
            ))
        })?;
        let limits = TruncationParams {
            max_length: room,
            ..Default::default()
        };
        (first, second) = truncate_encodings(first, second, &limits).map_err(failed)?;
    }
    let whole = tokenizer
        .post_process(first, second, true)
        .map_err(failed)?;
    Ok((whole.get_ids().to_vec(), whole.get_type_ids().to_vec()))
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_encode_pair(
    tokenizer: *const Tokenizer,
    data: *const u8,
    length: usize,
    has_pair: i32,
    pair: *const u8,
    pair_length: usize,
    max_length: usize,
    ids: *mut Owned<u32>,
    type_ids: *mut Owned<u32>,
    error: *mut Owned<u8>,
) -> Status {
    let encode = || {
        let first = text(data, length, "the text to encode")?;
        let second = if has_pair != 0 {
            Some(text(pair, pair_length, "the second text to encode")?)
        } else {
            None
        };
        encode_pair(&(*tokenizer).inner, first, second, max_length)
    };
    guard(error, encode, |(first, second)| {
        ids.write(first.into());
        type_ids.write(second.into());
    })
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: i32,
    result: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> Status {
    guard(
        error,
        || decode(&*tokenizer, slice(ids, count), skip_special_tokens != 0),
        |decoded| result.write(decoded.into_bytes().into()),
    )
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_vocabulary_size(tokenizer: *const Tokenizer) -> usize {
    (*tokenizer).vocabulary_size
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_token_to_id(
    tokenizer: *const Tokenizer,
    token: *const u8,
    length: usize,
    result: *mut u32,
) -> i32 {
    let find = || {
        let token = text(token, length, "the token").ok()?;
        (*tokenizer).inner.token_to_id(token)
    };
    match guard_value(None, find) {
        Some(id) => {
            result.write(id);
            1
        }
        None => 0,
    }
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_id_to_token(
    tokenizer: *const Tokenizer,
    id: u32,
    result: *mut Owned<u8>,
) -> i32 {
    match guard_value(None, || (*tokenizer).inner.id_to_token(id)) {
        Some(token) => {
            result.write(token.into_bytes().into());
            1
        }
        None => 0,
    }
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_is_special(tokenizer: *const Tokenizer, id: u32) -> i32 {
    let special = || {
        let inner = &(*tokenizer).inner;
        inner
            .id_to_token(id)
            .is_some_and(|token| inner.get_added_vocabulary().is_special_token(&token))
    };
    i32::from(guard_value(false, special))
}

/// The test of a byte token is that of the decoder `ByteFallback`.
fn fallback_byte(tokenizer: &Tokenizer, id: u32) -> Option<u8> {
    let token = tokenizer.inner.id_to_token(id)?;
    let is_byte = token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
    if tokenizer.byte_fallback && is_byte {
        u8::from_str_radix(token.get(3..5)?, 16).ok()
    } else {
        None
    }
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_fallback_byte(tokenizer: *const Tokenizer, id: u32) -> i32 {
    guard_value(None, || fallback_byte(&*tokenizer, id)).map_or(-1, i32::from)
}

#[no_mangle]
pub unsafe extern "C" fn mm_tokenizer_to_json(
    tokenizer: *const Tokenizer,
    result: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> Status {
    let serialize = || {
        (*tokenizer)
            .inner
            .to_string(false)
            .map_err(|error| Failure::file(format!("the tokenizer cannot be written: {error}")))
    };
    guard(error, serialize, |json| {
        result.write(json.into_bytes().into())
    })
}
