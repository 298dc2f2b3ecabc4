// Abseil of 2023-08 and later: types that bring an `AbslStringify(sink, value)` of their own turn into text.
#pragma once
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"

namespace absl {

struct TextSink {
  std::string text;
  void Append(string_view piece) { text.append(piece.data(), piece.size()); }
  void Append(std::size_t count, char letter) { text.append(count, letter); }
};

template <typename Value, typename = void>
struct HasAbslStringify : std::false_type {};
template <typename Value>
struct HasAbslStringify<Value, std::void_t<decltype(AbslStringify(std::declval<TextSink&>(), std::declval<const Value&>()))>>
    : std::true_type {};

template <typename Value>
std::enable_if_t<HasAbslStringify<Value>::value, std::string> StrCat(const Value& value) {
  TextSink sink;
  AbslStringify(sink, value);
  return std::move(sink.text);
}

}  // namespace absl
