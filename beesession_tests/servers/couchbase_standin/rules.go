package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchbase/gocbcore/v9/memd"
	"github.com/couchbaselabs/gocaves/mock"
)

type (
	packet = memd.Packet
	moment = time.Time
)

const (
	noAccess = memd.StatusCode(0x24)

	longestKey   = 250
	largestValue = 20 << 20
)

var reading = map[memd.CmdCode]bool{memd.CmdGet: true, memd.CmdGetMeta: true, memd.CmdSubDocMultiLookup: true}

var writing = map[memd.CmdCode]bool{
	memd.CmdSet: true, memd.CmdAdd: true, memd.CmdReplace: true, memd.CmdDelete: true, memd.CmdTouch: true,
	memd.CmdGAT: true, memd.CmdGetLocked: true, memd.CmdSubDocMultiMutation: true,
}

// A user may read and, unless it is read-only, write; where a bucket is named, in that one only.
type user struct {
	readOnly bool
	bucket   string
}

// faults are what goes wrong at present.
type faults struct {
	refusing  atomic.Bool
	silent    atomic.Bool
	delay     atomic.Int64 // nanoseconds
	status    atomic.Int64 // what commands are answered with, instead of being run
	times     atomic.Int64 // how many of them
	lossAfter atomic.Int64 // the reply of which command is lost: 1 is the next
}

// rules are laws of a real server that CAVES does not know, and the faults. They also note which commands come in.
type rules struct {
	cluster mock.Cluster
	users   map[string]user
	faults  *faults

	mutex sync.Mutex
	seen  []string
}

func (r *rules) apply(source mock.KvClient, request *packet, _ moment, next func()) {
	onData := reading[request.Command] || writing[request.Command]
	if onData || isScan(request) {
		r.note(request)
	}
	if onData {
		time.Sleep(time.Duration(r.faults.delay.Load()))
		if r.faults.times.Add(-1) >= 0 {
			answer(source, request, memd.StatusCode(r.faults.status.Load()), nil, nil)
			return
		}
		r.selectBucketOfUser(source)
	}
	if request.Command == memd.CmdHello {
		request.Value = without(request.Value, memd.FeatureSnappy)
	}
	if status := r.refusal(source, request, onData); status != memd.StatusSuccess {
		answer(source, request, status, nil, nil)
		return
	}
	next()
}

func (r *rules) refusal(source mock.KvClient, request *packet, onData bool) memd.StatusCode {
	who := r.users[source.AuthenticatedUserName()]
	switch {
	case request.Command == memd.CmdSelectBucket && who.bucket != "" && who.bucket != string(request.Key):
		return noAccess
	case who.readOnly && writing[request.Command]:
		return noAccess
	case onData && len(request.Key) > longestKey:
		return memd.StatusInvalidArgs
	case onData && len(request.Value) > largestValue:
		return memd.StatusTooBig
	}
	return memd.StatusSuccess
}

// without leaves a feature out of those that a client asks for. CAVES would keep what clients have compressed, and look
// into it as if it were not.
func without(features []byte, feature memd.HelloFeature) []byte {
	var left []byte
	for ; len(features) >= 2; features = features[2:] {
		if memd.HelloFeature(binary.BigEndian.Uint16(features)) != feature {
			left = append(left, features[:2]...)
		}
	}
	return left
}

// selectBucketOfUser serves clients of before Couchbase 5.0, which choose a bucket by the name of the user.
func (r *rules) selectBucketOfUser(source mock.KvClient) {
	name := source.AuthenticatedUserName()
	if source.SelectedBucketName() == "" && name != "" && r.cluster.GetBucket(name) != nil {
		source.SetSelectedBucketName(name)
	}
}

// loseReply drops the reply of one command that was run, and breaks its connection.
func (r *rules) loseReply(source mock.KvClient, reply *packet, _ moment, next func()) {
	onData := reading[reply.Command] || writing[reply.Command]
	if onData && r.faults.lossAfter.Load() > 0 && r.faults.lossAfter.Add(-1) == 0 {
		go source.Close() // it waits for the goroutine that runs this
		return
	}
	next()
}

func (r *rules) note(request *packet) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	name := strings.TrimPrefix(request.Command.Name(), "CMD_")
	if isScan(request) {
		name = "SCAN"
	}
	r.seen = append(r.seen, name)
}

// commands returns the names of the commands on data since the last call.
func (r *rules) commands() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	seen := append([]string{}, r.seen...)
	r.seen = nil
	return seen
}

func answer(source mock.KvClient, request *packet, status memd.StatusCode, extras, value []byte) {
	source.WritePacket(&packet{
		Magic: memd.CmdMagicRes, Command: request.Command, Opaque: request.Opaque,
		Status: status, Extras: extras, Value: value,
	})
}

func describesCluster(text []byte) bool {
	return bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"nodesExt"`))
}
