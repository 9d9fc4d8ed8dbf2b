//! Chat templates, rendered with the settings of transformers' `apply_chat_template`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value};
use std::fmt::Write;

use crate::ffi::{guard, text, Failure, Outcome, Owned, Status};
use crate::{pyjson, pystr};

const NAME: &str = "chat_template";

/// transformers' `{% generation %}` marks assistant text and prints its body in a scope
/// of its own, which is what `{% with %}` does.
fn replace_generation_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        result.push_str(before);
        rest = tag;
        let sign = tag.len() - tag.trim_start_matches(['-', '+']).len();
        let word = tag[sign..].trim_start();
        let name_start = tag.len() - word.len();
        for (name, replacement) in [("endgeneration", "endwith"), ("generation", "with")] {
            let Some(after) = word.strip_prefix(name) else {
                continue;
            };
            if after
                .trim_start()
                .trim_start_matches(['-', '+'])
                .starts_with("%}")
            {
                result.push_str(&tag[..name_start]);
                result.push_str(replacement);
                rest = after;
                break;
            }
        }
    }
    result.push_str(rest);
    result
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_string()))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    let mut result = String::new();
    write!(result, "{}", chrono::Local::now().format(format)).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: unknown format {format:?}"),
        )
    })?;
    Ok(result)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the default delimiters are valid"),
    );
    environment.set_debug(true);
    environment.set_unknown_method_callback(pystr::method);
    environment.add_filter("tojson", pyjson::tojson);
    environment.add_filter("indent", pystr::indent);
    environment.add_filter("trim", pystr::trim);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment
}

fn describe(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{detail} (line {line} of the template)"),
        None => detail,
    }
}

fn render(source: &str, variables: &str) -> Outcome<String> {
    let variables: serde_json::Value = serde_json::from_str(variables)
        .map_err(|error| Failure::input(format!("the messages are no JSON object: {error}")))?;
    let mut environment = environment();
    environment
        .add_template_owned(NAME, replace_generation_tags(source))
        .map_err(|error| {
            Failure::file(format!(
                "the chat template does not parse: {}",
                describe(&error)
            ))
        })?;
    let template = environment
        .get_template(NAME)
        .map_err(|error| Failure::file(describe(&error)))?;
    template
        .render(Value::from(Serde(variables)))
        .map_err(|error| match error.kind() {
            ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::UnknownTest => Failure::file(format!(
                "the chat template asks for what is not there: {}",
                describe(&error)
            )),
            _ => Failure::input(format!(
                "the chat template refused the messages: {}",
                describe(&error)
            )),
        })
}

#[no_mangle]
pub unsafe extern "C" fn mm_render_chat(
    source: *const u8,
    source_length: usize,
    variables: *const u8,
    variables_length: usize,
    result: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> Status {
    let body = || {
        let source = text(source, source_length, "the chat template")
            .map_err(|failure| Failure::file(failure.message))?;
        render(source, text(variables, variables_length, "the messages")?)
    };
    guard(error, body, |rendered| {
        result.write(rendered.into_bytes().into())
    })
}
