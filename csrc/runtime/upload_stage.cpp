#include "runtime/upload_stage.h"

#include <lamina/error.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/parallel_ranges.h"
#include "runtime/staged_copy.h"

namespace lamina::runtime {
namespace {

constexpr std::size_t kAlignment = 256, kPage = 4096;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void copy_away(std::span<std::byte> to, std::span<const std::byte> from) {
  const auto pages = static_cast<std::int64_t>((from.size() + kPage - 1) / kPage);
  core::parallel_ranges(pages, kPage / sizeof(float), [&](std::int64_t begin, std::int64_t end) {
    const std::size_t first = static_cast<std::size_t>(begin) * kPage;
    const std::size_t last = std::min(from.size(), static_cast<std::size_t>(end) * kPage);
    std::memcpy(to.data() + first, from.data() + first, last - first);
  });
}

}  // namespace

UploadStage::UploadStage(std::shared_ptr<DeviceContext> context)
    : context_(std::move(context)), taken_(context_->runtime().make_event()) {
  for (Place& place : places_) place.copied = context_->runtime().make_event();
}

UploadStage::~UploadStage() {
  if (context_->in_its_process()) return;
  // All of it is the parent's.
  (void)stream_.release();
  (void)taken_.release();
  for (Place& place : places_) {
    (void)place.memory.release();
    (void)place.copied.release();
  }
}

void UploadStage::wait_for(Place& place, bool for_all) {
  const Number before = std::exchange(place.number, kNone);
  try {
    if (for_all && stream_) {
      stream_->synchronize();
    } else if (before != kNone && !place.copied->done()) {
      place.copied->wait();
    }
  } catch (...) {
    stream_.reset();  // waits for what it was given
    throw;
  }
}

bool UploadStage::has_memory(Place& place, std::size_t bytes) {
  if (place.memory != nullptr && place.memory->size() >= bytes) return true;
  place.memory.reset();
  try {
    place.memory = context_->runtime().allocate_pinned(bytes);
  } catch (const DeviceError& error) {
    if (!error.out_of_memory()) throw;
  }
  return place.memory != nullptr;
}

void UploadStage::make_room(std::size_t bytes) {
  if (room_there_ >= bytes) return;
  room_there_ = 0;
  there_.reset();
  there_ = allocate_shared(context_, bytes);
  room_there_ = bytes;
}

void UploadStage::copy_up(Place& place, std::size_t bytes) {
  if (!stream_) stream_ = context_->runtime().make_stream();
  try {
    const Copy copy[] = {{static_cast<std::byte*>(there_.get()), place.memory->address(), bytes}};
    stream_->wait(*taken_);
    stream_->copy(copy);
    stream_->record(*place.copied);
  } catch (...) {
    stream_.reset();  // waits for what it was given
    throw;
  }
}

void UploadStage::copy_by_ring(std::span<const std::span<const std::byte>> parts) {
  std::vector<Upload> uploads;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    uploads.push_back({static_cast<std::byte*>(there_.get()) + offsets_[i], parts[i]});
  }
  const Event* const after[] = {taken_.get(), places_[0].copied.get(), places_[1].copied.get()};
  upload(uploads, context_->staging_ring(), after);
}

UploadStage::Number UploadStage::send(std::span<const std::span<const std::byte>> parts) {
  forget();
  offsets_.clear();
  sizes_.clear();
  std::size_t bytes = 0;
  for (const std::span<const std::byte>& part : parts) {
    offsets_.push_back(bytes);
    sizes_.push_back(part.size());
    bytes += aligned(part.size());
  }
  if (bytes == 0) return held_ = ++last_;
  const Number number = last_ + 1;
  Place& place = place_of(number);
  wait_for(place, room_there_ < bytes);
  const bool by_place = has_memory(place, bytes);
  make_room(bytes);
  if (by_place) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) continue;
      const auto access = place.memory->write(offsets_[i], parts[i].size());
      copy_away(access.bytes(), parts[i]);
    }
    copy_up(place, bytes);
  } else {
    copy_by_ring(parts);
  }
  place.number = number;
  return held_ = last_ = number;
}

void UploadStage::take(Number number, std::span<std::byte* const> to) {
  if (!holds(number) || number == kNone || to.size() != offsets_.size()) {
    throw ValueError("What is to be taken of an upload is no longer there.");
  }
  forget();
  const Place& place = place_of(number);
  if (place.number != number) return;  // there were no bytes
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < to.size(); ++i) {
    copies.push_back({to[i], static_cast<std::byte*>(there_.get()) + offsets_[i], sizes_[i]});
  }
  try {
    context_->compute([&](Stream& stream) {
      stream.wait(*place.copied);
      stream.copy(copies);
      stream.record(*taken_);
    });
  } catch (...) {
    context_->settle();  // nothing says when the next sending may take the memory's place
    throw;
  }
}

void UploadStage::settle(Number number) const noexcept {
  const Place& place = places_[number % places_.size()];
  if (place.number != number || number == kNone || !context_->in_its_process()) return;
  try {
    if (!place.copied->done()) place.copied->wait();
  } catch (const std::exception&) {
    // Who takes it is told.
  }
}

}  // namespace lamina::runtime
