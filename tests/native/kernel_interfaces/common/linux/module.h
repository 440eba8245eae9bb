#ifndef STANDIN_MODULE_H
#define STANDIN_MODULE_H
struct module;
#define THIS_MODULE ((struct module *)0)
#define STANDIN_JOIN2(a, b) a##b
#define STANDIN_JOIN(a, b) STANDIN_JOIN2(a, b)
#define STANDIN_DECLARATION struct STANDIN_JOIN(standin_, __COUNTER__)
#define module_param(name, type, mode) STANDIN_DECLARATION
#define MODULE_PARM_DESC(name, text) STANDIN_DECLARATION
#define MODULE_DESCRIPTION(text) STANDIN_DECLARATION
#define MODULE_LICENSE(text) STANDIN_DECLARATION
#define module_init(function) int (*standin_init)(void) = function
#define module_exit(function) void (*standin_exit)(void) = function
#define __init
#define __exit
#define __net_init
#define __net_exit
#endif
