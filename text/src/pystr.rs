//! Python's string methods where minijinja-contrib's differ from Python or lack one.

use minijinja::value::{from_args, Kwargs, Tuple};
use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// `str.isspace`, which unlike Unicode's White_Space holds the separators 0x1c to 0x1f.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn strip<'a>(text: &'a str, chars: Option<&str>, left: bool, right: bool) -> &'a str {
    let strips = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left {
        text.trim_start_matches(strips)
    } else {
        text
    };
    if right {
        text.trim_end_matches(strips)
    } else {
        text
    }
}

fn split_lines(text: &str, keep_ends: bool) -> Vec<Value> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((end, c)) = rest.char_indices().find(|(_, c)| is_line_break(*c)) {
        let next = if rest[end..].starts_with("\r\n") {
            end + 2
        } else {
            end + c.len_utf8()
        };
        lines.push(Value::from(&rest[..if keep_ends { next } else { end }]));
        rest = &rest[next..];
    }
    if !rest.is_empty() {
        lines.push(Value::from(rest));
    }
    lines
}

fn split_spaces(text: &str, limit: Option<i64>) -> Vec<Value> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let whole = limit.is_some_and(|limit| limit >= 0 && words.len() as i64 >= limit);
        let end = if whole { None } else { rest.find(is_space) };
        let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(Value::from(word));
        rest = tail.trim_start_matches(is_space);
    }
    words
}

/// Python starts a word after every character that is no letter, so also after an apostrophe.
fn title(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            result.extend(c.to_lowercase());
        } else {
            result.extend(c.to_uppercase());
        }
        in_word = c.is_lowercase() || c.is_uppercase();
    }
    result
}

fn partition(text: &str, at: Option<(&str, &str)>, separator: &str, from_right: bool) -> Value {
    let parts = match at {
        Some((head, tail)) => [head, separator, tail],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Value::from(Tuple::from(parts.map(Value::from)))
}

fn split_right(text: &str, separator: &str, limit: Option<i64>) -> Vec<Value> {
    let mut parts: Vec<Value> = match limit {
        Some(limit) if limit >= 0 => text
            .rsplitn(limit as usize + 1, separator)
            .map(Value::from)
            .collect(),
        _ => text.rsplit(separator).map(Value::from).collect(),
    };
    parts.reverse();
    parts
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            Value::from(strip(text, chars, method != "rstrip", method != "lstrip"))
        }
        "splitlines" => {
            let (keep_ends,): (Option<bool>,) = from_args(args)?;
            Value::from(split_lines(text, keep_ends.unwrap_or(false)))
        }
        "split" if args.first().is_none_or(Value::is_none) => {
            let (_, limit): (Option<Value>, Option<i64>) = from_args(args)?;
            Value::from(split_spaces(text, limit))
        }
        "title" => {
            let () = from_args(args)?;
            Value::from(title(text))
        }
        "rsplit" => {
            let (separator, limit): (&str, Option<i64>) = from_args(args)?;
            Value::from(split_right(text, separator, limit))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let from_right = method == "rpartition";
            let at = if from_right {
                text.rsplit_once(separator)
            } else {
                text.split_once(separator)
            };
            partition(text, at, separator, from_right)
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        _ => return Ok(None),
    }))
}

/// The callback for methods minijinja itself does not know.
pub fn method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        if let Some(result) = string_method(text, method, args)? {
            return Ok(result);
        }
    }
    unknown_method_callback(state, value, method, args)
}

/// The filter `indent` as Jinja2 has it: a newline at the end stays.
pub fn indent(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width = width.or(kwargs.get("width")?);
    let indention = match &width {
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(width.clone())?),
        },
        None => " ".repeat(4),
    };
    let first = first.or(kwargs.get("first")?).unwrap_or(false);
    let blank = blank.or(kwargs.get("blank")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let lines = split_lines(&format!("{text}\n"), false);
    let mut result = String::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.as_str().unwrap_or_default();
        if index > 0 {
            result.push('\n');
        }
        if (index == 0 && first) || (index > 0 && (blank || !line.is_empty())) {
            result.push_str(&indention);
        }
        result.push_str(line);
    }
    Ok(result)
}

/// The filter `trim`, which is `str(value).strip(chars)`.
pub fn trim(value: &Value, chars: Option<&str>) -> String {
    strip(&value.to_string(), chars, true, true).to_owned()
}
