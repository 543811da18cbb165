// What errors say.
#pragma once
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <functional>
#include <string>

namespace lamina::test {

/// What `make` throws, which is a `Thrown`.
template <class Thrown = Error>
std::string words_of(const std::function<void()>& make) {
  try {
    make();
  } catch (const Thrown& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// That it says this, among other things.
template <class Thrown = Error>
void expect_words(const std::function<void()>& make, const std::string& words) {
  const std::string text = words_of<Thrown>(make);
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace lamina::test
