#ifndef STANDIN_NET_IP_H
#define STANDIN_NET_IP_H
#define IP_MF 0x2000
#define IP_OFFSET 0x1FFF
#endif
