#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace mm_orch::python {
namespace {

template <class T>
T option(const char* name, nb::handle value, const char* expected) {
  try {
    return nb::cast<T>(value);
  } catch (const std::bad_cast&) {
    const std::string found = nb::cast<std::string>(nb::repr(value)).substr(0, 60);
    throw nb::type_error(
        ("generation option '" + std::string(name) + "' takes " + expected + ", not " + found)
            .c_str());
  }
}

class Options {
 public:
  explicit Options(const nb::dict& options) : options_(options) {}

  /// None where the option is absent.
  nb::object get(const char* name) const {
    return nb::borrow(options_.contains(name) ? nb::handle(options_[name]) : nb::none());
  }

  template <class T>
  void read(const char* name, const char* expected, std::optional<T>& target) const {
    const nb::object value = get(name);
    if (!value.is_none()) target = option<T>(name, value, expected);
  }

 private:
  const nb::dict& options_;
};

std::vector<std::string> stop_strings(const nb::object& value) {
  std::vector<std::string> result;
  if (value.is_none()) return result;
  if (nb::isinstance<nb::str>(value)) return {utf8(nb::borrow<nb::str>(value), "stop_strings")};
  for (const nb::handle item : value) {
    if (!nb::isinstance<nb::str>(item)) option<nb::str>("stop_strings", item, "str or str items");
    result.push_back(utf8(nb::borrow<nb::str>(item), "stop_strings"));
  }
  return result;
}

std::optional<EarlyStopping> early_stopping(const nb::object& value) {
  if (value.is_none()) return std::nullopt;
  if (nb::isinstance<nb::str>(value) && nb::cast<std::string>(value) == "never")
    return EarlyStopping::kNever;
  return option<bool>("early_stopping", value, "True, False or \"never\"") ? EarlyStopping::kYes
                                                                           : EarlyStopping::kNo;
}

std::optional<std::string> draft_model(const nb::object& value) {
  if (value.is_none()) return std::nullopt;
  const nb::object name = nb::hasattr(value, "__fspath__") ? value.attr("__fspath__")() : value;
  return utf8(option<nb::str>("draft_model", name, "a model's name or path"), "draft_model");
}

StreamCallback stream_callback(nb::handle function, bool indexed, Call& call) {
  if (function.is_none()) return {};
  if (!PyCallable_Check(function.ptr())) {
    option<nb::callable>("stream", function, "a callable");
  }
  return [function, indexed, &call](size_t sequence, std::string_view piece) {
    const nb::gil_scoped_acquire gil;
    try {
      const nb::str text(piece.data(), piece.size());
      const nb::object answer = indexed ? function(sequence, text) : function(text);
      return !answer.is(nb::bool_(false));
    } catch (nb::python_error& error) {
      call.keep(std::move(error));
      return false;
    }
  };
}

}  // namespace

GenerationConfig generation_config(const nb::dict& options, bool indexed, Call& call) {
  constexpr const char* kInteger = "an integer";
  constexpr const char* kNumber = "a number";
  const Options from(options);
  GenerationConfig config;
  from.read("max_new_tokens", kInteger, config.max_new_tokens);
  from.read("max_length", kInteger, config.max_length);
  from.read("min_new_tokens", kInteger, config.min_new_tokens);
  from.read("do_sample", "True or False", config.do_sample);
  from.read("temperature", kNumber, config.temperature);
  from.read("top_k", kInteger, config.top_k);
  from.read("top_p", kNumber, config.top_p);
  from.read("min_p", kNumber, config.min_p);
  from.read("repetition_penalty", kNumber, config.repetition_penalty);
  from.read("seed", "an integer from 0 to 2**64 - 1", config.seed);
  from.read("num_beams", kInteger, config.num_beams);
  from.read("length_penalty", kNumber, config.length_penalty);
  config.early_stopping = early_stopping(from.get("early_stopping"));
  config.draft_model = draft_model(from.get("draft_model"));
  from.read("prompt_lookup", "True or False", config.prompt_lookup);
  config.stop_strings = stop_strings(from.get("stop_strings"));

  const nb::object eos = from.get("eos_token_id");
  if (nb::hasattr(eos, "__index__")) {
    config.eos_token_ids = {option<int64_t>("eos_token_id", eos, kInteger)};
  } else {
    from.read("eos_token_id", "an integer or a list of integers", config.eos_token_ids);
  }
  config.stream = stream_callback(from.get("stream"), indexed, call);

  std::shared_ptr<const CancelToken> inner;
  if (const nb::object cancel = from.get("cancel"); !cancel.is_none()) {
    inner = option<std::shared_ptr<CancelToken>>("cancel", cancel, "a CancelToken");
  }
  config.cancel = std::make_shared<InterruptToken>(call, std::move(inner));
  return config;
}

void bind_generation(nb::module_& module) {
  nb::class_<CancelToken>(module, "CancelToken",
                          "Stops a generation from another thread; share one per request.")
      .def(nb::init<>())
      .def("cancel", &CancelToken::cancel, "Stops the generations that hold this token.")
      .def_prop_ro("cancelled", &CancelToken::cancelled, "True after cancel().");

  nb::class_<GenerationResult>(module, "GenerationResult", "One sequence's result.")
      .def_ro("text", &GenerationResult::text,
              "The continuation alone, special tokens and stop string left out.")
      .def_ro("continues_prompt", &GenerationResult::continues_prompt,
              "False for an encoder-decoder model, whose text stands by itself.")
      .def_ro("prompt_tokens", &GenerationResult::prompt_tokens, "The prompt's token ids.")
      .def_ro("new_tokens", &GenerationResult::new_tokens,
              "The generated token ids, EOS included if it was generated.")
      .def_prop_ro(
          "finish_reason",
          [](const GenerationResult& result) { return finish_reason_name(result.finish_reason); },
          "\"eos\", \"stop_string\", \"length\" or \"cancelled\".")
      .def_ro("backend", &GenerationResult::backend,
              "The backend that made the last token: \"pytorch\", \"openvino\".")
      .def_ro("time_to_first_token_s", &GenerationResult::time_to_first_token_s, "Seconds.")
      .def_ro("latency_s", &GenerationResult::latency_s,
              "Seconds of the whole call, tokenizing included.")
      .def_ro("draft_tokens", &GenerationResult::draft_tokens,
              "How many tokens prompt lookup or a draft model guessed.")
      .def_ro("accepted_draft_tokens", &GenerationResult::accepted_draft_tokens,
              "How many of the guessed tokens were right, and took no step of their own.")
      .def("__repr__", [](const GenerationResult& result) {
        return nb::str("GenerationResult(text={!r}, finish_reason={!r}, new_tokens={})")
            .format(result.text, finish_reason_name(result.finish_reason),
                    result.new_tokens.size());
      });
}

}  // namespace mm_orch::python
