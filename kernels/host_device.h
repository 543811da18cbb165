#pragma once

#if defined(__CUDACC__)
#define LAMINA_HOST_DEVICE __host__ __device__
/// Before a template for the host and for devices, of which some arguments are for devices alone.
#define LAMINA_FOR_TEAMS _Pragma("nv_exec_check_disable")
#else
#define LAMINA_HOST_DEVICE
#define LAMINA_FOR_TEAMS
#endif
