// What profile.cpp is told by the other files; nothing but a look at one variable of the thread where no profile runs.
#pragma once
#include "internal.h"

namespace graft {

// Bytes taken (or, below 0, given back), and what is held behind that.
void profile_memory(int64_t bytes, int64_t held);

// A part of one of our own operators that has a row of its own, since libtorch sees the whole operator only.
class ProfiledPart {
public:
    ProfiledPart(const char* name, double operations);
    ~ProfiledPart();
    ProfiledPart(const ProfiledPart&) = delete;
    ProfiledPart& operator=(const ProfiledPart&) = delete;

private:
    bool begun_;
};

}  // namespace graft
