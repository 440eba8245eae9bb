#ifndef STANDIN_NET_NAMESPACE_H
#define STANDIN_NET_NAMESPACE_H
struct net;
struct pernet_operations { int (*init)(struct net *net); void (*exit)(struct net *net); };
int register_pernet_subsys(struct pernet_operations *operations);
void unregister_pernet_subsys(struct pernet_operations *operations);
#endif
