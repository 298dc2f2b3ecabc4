// Abseil of 2023-08 and later says with these which pointers may be null. A compiler makes nothing of them.
#pragma once
#define ABSL_NULLABILITY_COMPATIBLE
namespace absl {
template <typename Pointer>
using Nonnull = Pointer;
template <typename Pointer>
using Nullable = Pointer;
template <typename Pointer>
using NullabilityUnknown = Pointer;
}  // namespace absl
