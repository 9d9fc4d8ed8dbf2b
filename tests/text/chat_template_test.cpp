#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "mm_orch/errors.h"

namespace mm_orch::text {
namespace {

using nlohmann::json;

const json kHello = {{{"role", "user"}, {"content", "Grüße"}}};

TEST(ChatTemplate, SeesMessagesSpecialTokensAndThePromptFlag) {
  const std::string source =
      "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}";
  EXPECT_EQ(render_chat(source, kHello, {{"bos_token", "<s>"}}, true),
            "<s>user: Grüße\nassistant:");
  EXPECT_EQ(render_chat(source, kHello, nullptr, false), "user: Grüße\n");
}

TEST(ChatTemplate, TrimsBlockLines) {
  EXPECT_EQ(render_chat("a\n  {% if true %}\nb\n  {% endif %}\nc", kHello, {}, false), "a\nb\nc");
}

TEST(ChatTemplate, PrintsMessagesWithTheRoleFirst) {
  EXPECT_EQ(render_chat("{{ messages | tojson }}", kHello, {}, false),
            R"([{"role": "user", "content": "Grüße"}])");
}

TEST(ChatTemplate, RefusalIsAnInputErrorWithTheTemplatesWords) {
  try {
    render_chat("{{ raise_exception('only two roles') }}", kHello, {}, false);
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_NE(std::string(error.what()).find("only two roles"), std::string::npos);
  }
}

TEST(ChatTemplate, DamageIsAFileError) {
  EXPECT_THROW(render_chat("{% for %}", kHello, {}, false), FileValidationError);
  EXPECT_THROW(render_chat("{{ 'a' | nothing_known }}", kHello, {}, false), FileValidationError);
  EXPECT_THROW(render_chat("\xFF", kHello, {}, false), FileValidationError);
}

TEST(ChatTemplate, MessagesMustBeAListOfObjectsWithRole) {
  for (const json& messages : {json("a"), json{{"role", "user"}}, json::array({1}),
                               json::array({json{{"content", "a"}}})}) {
    EXPECT_THROW(render_chat("x", messages, {}, false), InvalidInputError) << messages;
  }
}

TEST(ChatTemplate, RefusesMessagesThatAreNoUtf8) {
  const json messages = {{{"role", "user"}, {"content", "\xFF"}}};
  EXPECT_THROW(render_chat("x", messages, {}, false), InvalidInputError);
}

}  // namespace
}  // namespace mm_orch::text
