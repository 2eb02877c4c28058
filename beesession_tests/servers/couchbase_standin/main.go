// A Couchbase stand-in for tests: CAVES, the mock that Couchbase tests its own SDKs with, used as a library.
//
// What is here adds what CAVES lacks: TLS, rights, limits of size, range scans, replies to queries, faults, and a port to
// steer all of it by.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/couchbaselabs/gocaves/mock"
	"github.com/couchbaselabs/gocaves/mock/mockauth"
	"github.com/couchbaselabs/gocaves/mock/mockimpl"
)

// A range scan asks each vbucket, of which a real cluster has 1024.
const vbuckets = 64

type options struct {
	port        int
	buckets     string
	collections string
	users       string
	certificate string
	key         string
	noScan      bool
	queryReply  string
}

func main() {
	var chosen options
	flag.IntVar(&chosen.port, "port", 0, "the key-value port; 0: any")
	flag.StringVar(&chosen.buckets, "buckets", "sessions", "name,name,...")
	flag.StringVar(&chosen.collections, "collections", "", "scope.collection,... in each bucket")
	flag.StringVar(&chosen.users, "users", "", "name:password:rw|ro[:bucket],... with a bucket: that one only")
	flag.StringVar(&chosen.certificate, "certificate", "", "a PEM file; with it, TLS is spoken on further ports")
	flag.StringVar(&chosen.key, "key", "", "the PEM file of its private key")
	flag.BoolVar(&chosen.noScan, "no-range-scan", false, "be a server of before 7.6")
	flag.StringVar(&chosen.queryReply, "query-reply", "", "the reply to each query; none: there is no query service")
	flag.Parse()
	if err := serve(chosen); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(chosen options) error {
	log.SetOutput(io.Discard) // CAVES logs each packet
	tlsConfig, err := loadCertificate(chosen.certificate, chosen.key)
	if err != nil {
		return err
	}
	services := []mock.ServiceType{mock.ServiceTypeMgmt, mock.ServiceTypeKeyValue}
	if chosen.queryReply != "" {
		services = append(services, mock.ServiceTypeQuery)
	}
	cluster, err := newCluster(chosen, services, tlsConfig != nil)
	if err != nil {
		return err
	}
	users, err := addUsers(cluster, chosen.users)
	if err != nil {
		return err
	}
	faults := &faults{}
	relays, err := relayAll(cluster, faults, chosen.port, tlsConfig)
	if err != nil {
		return err
	}
	if chosen.queryReply != "" {
		if err := relays.answerQueries(cluster.Nodes()[0].QueryService(), chosen.queryReply); err != nil {
			return err
		}
	}
	rules := &rules{cluster: cluster, users: users, faults: faults}
	scans := &scans{off: chosen.noScan}
	// The hook that was added last is asked first.
	cluster.KvInHooks().Add(scans.answer)
	cluster.KvInHooks().Add(rules.apply)
	cluster.KvOutHooks().Add(rules.loseReply)
	cluster.KvOutHooks().Add(func(source mock.KvClient, packet *packet, _ moment, next func()) {
		packet.Value = scans.announce(relays.rewrite(packet.Value))
		next()
	})
	control, err := listen(0)
	if err != nil {
		return err
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"control": portOf(control),
		"tls":     relays.tlsPort,
	})
	if err != nil {
		return err
	}
	return http.Serve(control, controls(cluster, rules, relays))
}

func newCluster(chosen options, services []mock.ServiceType, withTLS bool) (mock.Cluster, error) {
	node := mock.NewNodeOptions{Services: services}
	if withTLS {
		node.Features = append(node.Features, mock.ClusterNodeFeatureTLS)
	}
	cluster, err := mockimpl.NewCluster(mock.NewClusterOptions{NumVbuckets: vbuckets, InitialNode: node})
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Split(chosen.buckets, ",") {
		bucket, err := cluster.AddBucket(mock.NewBucketOptions{Name: name, Type: mock.BucketTypeCouchbase})
		if err != nil {
			return nil, err
		}
		for _, path := range listOf(chosen.collections) {
			scope, collection, _ := strings.Cut(path, ".")
			manifest := bucket.CollectionManifest()
			if _, err := manifest.AddScope(scope); err != nil {
				return nil, err
			}
			if _, err := manifest.AddCollection(scope, collection, 0); err != nil {
				return nil, err
			}
		}
	}
	return cluster, nil
}

func addUsers(cluster mock.Cluster, text string) (map[string]user, error) {
	users := map[string]user{}
	for _, entry := range listOf(text) {
		parts := append(strings.Split(entry, ":"), "")
		if len(parts) < 4 {
			return nil, fmt.Errorf("-users: %q is not name:password:rw|ro[:bucket]", entry)
		}
		users[parts[0]] = user{readOnly: parts[2] == "ro", bucket: parts[3]}
		// CAVES knows one role only; the rules look at the rights.
		err := cluster.Users().UpsertUser(mockauth.UpsertUserOptions{
			Username: parts[0], Password: parts[1], Roles: []string{"admin"},
		})
		if err != nil {
			return nil, err
		}
	}
	return users, nil
}

func loadCertificate(certificate, key string) (*tls.Config, error) {
	if certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
}

func listOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
