#include <utility>

#include "weights/gguf_translation.h"

namespace mm_orch::weights {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr Pair kLlamaTop[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
constexpr Pair kLlamaLayer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
constexpr Pair kGpt2Top[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
};
constexpr Pair kGpt2Layer[] = {
    {"attn_norm", "ln_1"}, {"attn_qkv", "attn.c_attn"}, {"attn_output", "attn.c_proj"},
    {"ffn_norm", "ln_2"},  {"ffn_up", "mlp.c_fc"},      {"ffn_down", "mlp.c_proj"},
};

template <size_t kCount>
std::string_view look_up(const Pair (&table)[kCount], std::string_view name) {
  for (const auto& [from, to] : table)
    if (from == name) return to;
  return {};
}

}  // namespace

std::string transformers_name(const std::string& architecture, const std::string& gguf_name) {
  const bool gpt2 = architecture == "gpt2";
  std::string_view stem = gguf_name;
  const size_t dot = stem.rfind('.');
  if (dot == std::string_view::npos) return gguf_name;
  const std::string_view suffix = stem.substr(dot);  // ".weight", ".bias"
  stem = stem.substr(0, dot);

  constexpr std::string_view kBlock = "blk.";
  if (!stem.starts_with(kBlock)) {
    const auto top = gpt2 ? look_up(kGpt2Top, stem) : look_up(kLlamaTop, stem);
    return top.empty() ? gguf_name : std::string(top).append(suffix);
  }
  stem.remove_prefix(kBlock.size());
  const size_t end = stem.find('.');
  if (end == std::string_view::npos) return gguf_name;
  const std::string_view layer = stem.substr(0, end);
  const std::string_view part = stem.substr(end + 1);
  const auto name = gpt2 ? look_up(kGpt2Layer, part) : look_up(kLlamaLayer, part);
  if (name.empty()) return gguf_name;
  return std::string(gpt2 ? "transformer.h." : "model.layers.")
      .append(layer)
      .append(".")
      .append(name)
      .append(suffix);
}

int64_t interleaved_head_size(const std::string& architecture, const std::string& gguf_name,
                              int64_t head_size) {
  if (architecture != "llama") return 0;
  for (const std::string_view part : {".attn_q.", ".attn_k."})
    if (gguf_name.find(part) != std::string::npos) return head_size;
  return 0;
}

}  // namespace mm_orch::weights
