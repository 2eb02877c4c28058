package main

import (
	"crypto/tls"
	"net"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/couchbaselabs/gocaves/mock"
)

// CAVES loses a request that comes before it has noted the connection, so the first one is held back.
const firstRequestHeldFor = 5 * time.Millisecond

// relays pass connections on to the ports of CAVES, which listens on all interfaces and whose own TLS does not work.
// A cut, refused or silent connection is made here.
type relays struct {
	faults  *faults
	kvPort  int
	tlsPort int
	// by the port that CAVES chose, the one of the relay before it
	ports map[string]string

	mutex sync.Mutex
	// whether each open connection of a client is one to the key-value service
	open map[net.Conn]bool
}

func relayAll(cluster mock.Cluster, faults *faults, port int, tlsConfig *tls.Config) (*relays, error) {
	made := &relays{faults: faults, ports: map[string]string{}, open: map[net.Conn]bool{}}
	node := cluster.Nodes()[0]
	kv, management := node.KvService(), node.MgmtService()
	var err error
	if made.kvPort, err = made.add(kv.ListenPort(), kv.ListenPort(), port, true, nil); err != nil {
		return nil, err
	}
	if _, err = made.add(management.ListenPort(), management.ListenPort(), 0, false, nil); err != nil {
		return nil, err
	}
	if tlsConfig == nil {
		return made, nil
	}
	if made.tlsPort, err = made.add(kv.ListenPortTLS(), kv.ListenPort(), 0, true, tlsConfig); err != nil {
		return nil, err
	}
	_, err = made.add(management.ListenPortTLS(), management.ListenPort(), 0, false, tlsConfig)
	return made, err
}

// add puts a relay on a port (0: any) in front of the port "to", and has it stand for the port that CAVES announces.
func (r *relays) add(announced, to, port int, kv bool, tlsConfig *tls.Config) (int, error) {
	listener, err := listen(port)
	if err != nil {
		return 0, err
	}
	r.ports[strconv.Itoa(announced)] = strconv.Itoa(portOf(listener))
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			if r.faults.refusing.Load() {
				reset(client)
				continue
			}
			go r.pass(client, to, kv, tlsConfig)
		}
	}()
	return portOf(listener), nil
}

func (r *relays) pass(client net.Conn, to int, kv bool, tlsConfig *tls.Config) {
	r.note(client, kv)
	defer r.forget(client)
	server, err := net.Dial("tcp", address(to))
	if err != nil {
		client.Close()
		return
	}
	plain := client
	if tlsConfig != nil {
		plain = tls.Server(client, tlsConfig)
	}
	go r.pump(plain, server, 0)
	r.pump(server, plain, firstRequestHeldFor)
}

func (r *relays) pump(to, from net.Conn, hold time.Duration) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		count, err := from.Read(buffer)
		time.Sleep(hold)
		hold = 0
		if count > 0 && !r.faults.silent.Load() {
			if _, err := to.Write(buffer[:count]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *relays) note(client net.Conn, kv bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.open[client] = kv
}

func (r *relays) forget(client net.Conn) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.open, client)
}

// cut breaks all connections, and returns how many there were.
func (r *relays) cut() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for client := range r.open {
		client.Close()
	}
	return len(r.open)
}

// connections counts those of clients to the key-value service.
func (r *relays) connections() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	found := 0
	for _, kv := range r.open {
		if kv {
			found++
		}
	}
	return found
}

var portNumber = regexp.MustCompile(`\b\d{4,5}\b`)

// rewrite names our ports in a description of the cluster, by which clients find their way; other text is left alone.
func (r *relays) rewrite(text []byte) []byte {
	if !describesCluster(text) {
		return text
	}
	return portNumber.ReplaceAllFunc(text, func(found []byte) []byte {
		if port, ok := r.ports[string(found)]; ok {
			return []byte(port)
		}
		return found
	})
}

func reset(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	connection.Close()
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", address(port))
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

func portOf(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port
}
