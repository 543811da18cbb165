#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lamina::testing {

/// Reports accesses to the same bytes that nothing ordered, from the calls alone: whether the
/// accident happens in this run does not matter. Vector clocks, one entry a stream; all host
/// threads count as one, for ordering those is the work of TSan. Not safe for several threads.
class OrderChecker {
 public:
  using Clock = std::vector<std::uint64_t>;
  using Actor = std::size_t;
  static constexpr Actor kHost = 0;

  struct Access {
    const std::byte* begin;
    std::size_t size;
    bool writes;
  };

  OrderChecker() { (void)add_actor(); }

  [[nodiscard]] Actor add_actor() {
    clocks_.emplace_back();
    return clocks_.size() - 1;
  }
  /// What is ordered before the actor's next work.
  [[nodiscard]] const Clock& clock(Actor actor) const { return clocks_[actor]; }
  void join(Actor actor, const Clock& other) {
    Clock& mine = clocks_[actor];
    mine.resize(std::max(mine.size(), other.size()));
    for (std::size_t i = 0; i < other.size(); ++i) mine[i] = std::max(mine[i], other[i]);
  }

  /// Work given to a stream by the host, so after all that the host has done.
  void work(Actor stream, std::span<const Access> accesses, const std::string& what) {
    join(stream, clocks_[kHost]);
    const std::uint64_t time = tick(stream);
    for (const Access& access : accesses) add(access, stream, time, what);
  }
  void begin_host(const Access& access) { add(access, kHost, kOpen, "an access of the host"); }
  void end_host(const Access& access) {
    for (Past& past : past_) {
      if (past.time == kOpen && past.access.begin == access.begin &&
          past.access.size == access.size && past.access.writes == access.writes) {
        past.time = tick(kHost);
        return;
      }
    }
    reports_.push_back("an access of the host ended that was not begun");
  }
  /// The memory goes; whatever used it must be done.
  void release(const std::byte* begin, std::size_t size) {
    add({begin, size, true}, kHost, tick(kHost), "a release of the memory");
    std::erase_if(past_, [&](const Past& past) {
      return overlap(past.access, {begin, size, true});
    });
  }

  void report(std::string what) { reports_.push_back(std::move(what)); }
  [[nodiscard]] const std::vector<std::string>& reports() const { return reports_; }

 private:
  static constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();
  struct Past {
    Access access;
    Actor actor;
    std::uint64_t time;
    std::string what;
  };

  static bool overlap(const Access& a, const Access& b) {
    return a.begin < b.begin + b.size && b.begin < a.begin + a.size;
  }
  static bool within(const Access& inner, const Access& outer) {
    return outer.begin <= inner.begin && inner.begin + inner.size <= outer.begin + outer.size;
  }
  std::uint64_t tick(Actor actor) {
    Clock& mine = clocks_[actor];
    mine.resize(std::max(mine.size(), actor + 1));
    return ++mine[actor];
  }
  [[nodiscard]] bool ordered(const Past& past, Actor actor) const {
    if (past.time == kOpen) return false;
    const Clock& mine = clocks_[actor];
    return past.actor < mine.size() && mine[past.actor] >= past.time;
  }
  void add(const Access& access, Actor actor, std::uint64_t time, const std::string& what) {
    if (access.size == 0) return;
    for (const Past& past : past_) {
      const bool conflict = (past.access.writes || access.writes) && overlap(past.access, access);
      if (conflict && !ordered(past, actor)) {
        reports_.push_back("nothing orders " + what + " after " + past.what);
      }
    }
    // What lies before this and within it is found through this from now on.
    std::erase_if(past_, [&](const Past& past) {
      return ordered(past, actor) && within(past.access, access) &&
             (access.writes || !past.access.writes);
    });
    past_.push_back({access, actor, time, what});
  }

  std::vector<Clock> clocks_;
  std::vector<Past> past_;
  std::vector<std::string> reports_;
};

}  // namespace lamina::testing
