#include "core/per_process_member.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace lamina::core {
namespace {

struct Guarded {
  std::mutex mutex;
  int number = 7;
};
using Own = PerProcessMember<Guarded>;

/// Runs in a child; 0 where it held. One that waits for its parent's mutex is ended.
template <class F>
int status_of_child(const F& holds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(holds() ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(PerProcessMember, IsOneOfEachObjectForAllThreads) {
  Own one, other;
  EXPECT_NE(&one.get(), &other.get());
  std::vector<const Guarded*> found(8);
  {
    std::vector<std::jthread> threads;
    for (const Guarded*& mine : found) threads.emplace_back([&] { mine = &one.get(); });
  }
  EXPECT_EQ(std::set(found.begin(), found.end()), std::set<const Guarded*>{&one.get()});
}

bool all_have_their_own(Own& own, int generations) {
  const std::lock_guard lock(own.get().mutex);
  const bool made = std::exchange(own.get().number, 9) == 7 && own.get().number == 9;
  return made && (generations == 1 ||
                  status_of_child([&] { return all_have_their_own(own, generations - 1); }) == 0);
}

TEST(PerProcessMember, AChildHasItsOwnWhoeverHoldsItsParents) {
  Own own;
  const std::lock_guard held(own.get().mutex);
  own.get().number = 8;
  EXPECT_EQ(status_of_child([&] { return all_have_their_own(own, 3); }), 0);
  EXPECT_EQ(own.get().number, 8);
}

struct Counted {
  ~Counted() { ++*destroyed; }
  int* destroyed = nullptr;
};

TEST(PerProcessMember, AChildDestroysItsOwnAlone) {
  int destroyed = 0;
  std::optional<PerProcessMember<Counted>> untouched(std::in_place), used(std::in_place);
  for (auto* member : {&untouched, &used}) (*member)->get().destroyed = &destroyed;
  EXPECT_EQ(status_of_child([&] {
              used->get().destroyed = &destroyed;
              untouched.reset();
              const bool left = destroyed == 0;
              used.reset();
              return left && destroyed == 1;
            }),
            0);
  untouched.reset();
  used.reset();
  EXPECT_EQ(destroyed, 2);
}

}  // namespace
}  // namespace lamina::core
