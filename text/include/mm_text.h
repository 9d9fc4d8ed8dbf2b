/* The Rust crate's C face: Hugging Face `tokenizers` and `minijinja`. Nothing but
 * src/text includes it.
 *
 * Text is UTF-8 with an explicit length, NUL bytes allowed. Strings and id lists
 * that come back are owned by the caller and freed with the functions below. A
 * failing function leaves its result alone and writes a message to `error`. A
 * tokenizer may be used from several threads at once. No panic crosses this face. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mm_text_status {
  MM_TEXT_OK = 0,
  MM_TEXT_INVALID_INPUT = 1, /* the caller's text, ids or messages */
  MM_TEXT_INVALID_FILE = 2,  /* tokenizer.json or template */
  MM_TEXT_INTERNAL = 3       /* a panic, caught */
} mm_text_status;

typedef struct mm_text_string {
  char* data;
  size_t length;
  size_t capacity;
} mm_text_string;

typedef struct mm_text_ids {
  uint32_t* data;
  size_t length;
  size_t capacity;
} mm_text_ids;

typedef struct mm_tokenizer mm_tokenizer;

void mm_text_string_free(mm_text_string* string);
void mm_text_ids_free(mm_text_ids* ids);

/* From the content of a tokenizer.json; its truncation and padding are left out. */
mm_text_status mm_tokenizer_new(const char* json, size_t length, mm_tokenizer** result,
                                mm_text_string* error);
void mm_tokenizer_free(mm_tokenizer* tokenizer);

mm_text_status mm_tokenizer_encode(const mm_tokenizer* tokenizer, const char* text, size_t length,
                                   int add_special_tokens, mm_text_ids* result,
                                   mm_text_string* error);
/* One text, or two if `has_pair`, with special tokens, cut to `max_length` ids if that is not 0:
 * the longer text loses tokens first. `type_ids` says for each id which text it belongs to. */
mm_text_status mm_tokenizer_encode_pair(const mm_tokenizer* tokenizer, const char* text,
                                        size_t length, int has_pair, const char* pair,
                                        size_t pair_length, size_t max_length, mm_text_ids* ids,
                                        mm_text_ids* type_ids, mm_text_string* error);
/* Every id must be in the vocabulary. */
mm_text_status mm_tokenizer_decode(const mm_tokenizer* tokenizer, const uint32_t* ids, size_t count,
                                   int skip_special_tokens, mm_text_string* result,
                                   mm_text_string* error);
size_t mm_tokenizer_vocabulary_size(const mm_tokenizer* tokenizer);
/* 1 and a result if found, else 0. */
int mm_tokenizer_token_to_id(const mm_tokenizer* tokenizer, const char* token, size_t length,
                             uint32_t* result);
int mm_tokenizer_id_to_token(const mm_tokenizer* tokenizer, uint32_t id, mm_text_string* result);
/* 1 if the id is a special token, which decoding may skip. */
int mm_tokenizer_is_special(const mm_tokenizer* tokenizer, uint32_t id);
/* The byte that a token such as "<0xE2>" stands for if the decoder knows byte fallback, else -1. */
int mm_tokenizer_fallback_byte(const mm_tokenizer* tokenizer, uint32_t id);
mm_text_status mm_tokenizer_to_json(const mm_tokenizer* tokenizer, mm_text_string* result,
                                    mm_text_string* error);

/* Renders a chat template with the variables of a JSON object. */
mm_text_status mm_render_chat(const char* chat_template, size_t template_length,
                              const char* variables, size_t variables_length,
                              mm_text_string* result, mm_text_string* error);

#ifdef __cplusplus
}
#endif
