package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/couchbase/gocbcore/v9/memd"
	"github.com/couchbaselabs/gocaves/mock"
	"github.com/couchbaselabs/gocaves/mock/mockdb"
)

const (
	scanCreate   = memd.CmdCode(0xda)
	scanContinue = memd.CmdCode(0xdb)
	scanCancel   = memd.CmdCode(0xdc)

	scanMore     = memd.StatusCode(0xa6)
	scanComplete = memd.StatusCode(0xa7)

	scanIDLength = 16
)

// scans are the range scans under way, which came with Couchbase 7.6: our own reading of the published protocol.
type scans struct {
	off  bool
	last atomic.Uint64
	open sync.Map // of *scan, by the text of its id
}

// A scan holds what it has still to send of one vbucket.
type scan struct {
	keysOnly bool
	left     []*mockdb.Document
}

type bounds struct {
	Start     string `json:"start"`
	End       string `json:"end"`
	ExclStart string `json:"excl_start"`
	ExclEnd   string `json:"excl_end"`
}

type scanRequest struct {
	Collection string  `json:"collection"` // its number, in hex; left out for the default one
	KeyOnly    bool    `json:"key_only"`
	Range      *bounds `json:"range"`
}

func (r *scanRequest) collection() (uint64, error) {
	if r.Collection == "" {
		return 0, nil
	}
	return strconv.ParseUint(r.Collection, 16, 32)
}

func isScan(request *packet) bool {
	return request.Command == scanCreate || request.Command == scanContinue || request.Command == scanCancel
}

func (s *scans) answer(source mock.KvClient, request *packet, _ moment, next func()) {
	if s.off || !isScan(request) {
		next()
		return
	}
	switch request.Command {
	case scanCreate:
		s.create(source, request)
	case scanContinue:
		s.goOn(source, request)
	default:
		if len(request.Extras) >= scanIDLength {
			s.open.Delete(string(request.Extras[:scanIDLength]))
		}
		answer(source, request, memd.StatusSuccess, nil, nil)
	}
}

// announce tells clients that there are range scans, in the description of the cluster.
func (s *scans) announce(text []byte) []byte {
	if s.off || !describesCluster(text) {
		return text
	}
	const list = `"bucketCapabilities":[`
	return bytes.Replace(text, []byte(list), []byte(list+`"rangeScan",`), 1)
}

func (s *scans) create(source mock.KvClient, request *packet) {
	var wanted scanRequest
	bucket := source.SelectedBucket()
	if json.Unmarshal(request.Value, &wanted) != nil || wanted.Range == nil || bucket == nil {
		answer(source, request, memd.StatusInvalidArgs, nil, nil)
		return
	}
	collection, err := wanted.collection()
	within, wrong := wanted.Range.test()
	if err != nil || wrong != nil {
		answer(source, request, memd.StatusInvalidArgs, nil, nil)
		return
	}
	found, err := listed(bucket.Store().GetVbucket(uint(request.Vbucket)), uint(collection), within)
	if err != nil {
		answer(source, request, memd.StatusInternalError, nil, nil)
		return
	}
	if len(found) == 0 {
		answer(source, request, memd.StatusKeyNotFound, nil, nil)
		return
	}
	id := make([]byte, scanIDLength)
	binary.BigEndian.PutUint64(id[8:], s.last.Add(1))
	s.open.Store(string(id), &scan{wanted.KeyOnly, found})
	answer(source, request, memd.StatusSuccess, nil, id)
}

func (s *scans) goOn(source mock.KvClient, request *packet) {
	if len(request.Extras) < scanIDLength+4 {
		answer(source, request, memd.StatusInvalidArgs, nil, nil)
		return
	}
	id := string(request.Extras[:scanIDLength])
	value, ok := s.open.Load(id)
	if !ok {
		answer(source, request, memd.StatusKeyNotFound, nil, nil)
		return
	}
	current := value.(*scan)
	batch := current.take(int(binary.BigEndian.Uint32(request.Extras[scanIDLength:])))
	status := scanMore
	if len(current.left) == 0 {
		status = scanComplete
		s.open.Delete(id)
	}
	extras := make([]byte, 4)
	if !current.keysOnly {
		extras[3] = 1
	}
	answer(source, request, status, extras, batch)
}

// listed returns the documents of a collection in the order of their keys. As on a real server, expired ones are still
// among them.
func listed(vbucket *mockdb.Vbucket, collection uint, within func(key []byte) bool) ([]*mockdb.Document, error) {
	if vbucket.CurrentMetaState(0).CurrentSeqNo == 0 {
		return nil, nil
	}
	revisions, _, err := vbucket.GetAllWithin(0, 0, 0)
	if err != nil {
		return nil, err
	}
	newest := map[string]*mockdb.Document{}
	for _, document := range revisions {
		if document.CollectionID == collection {
			newest[string(document.Key)] = document
		}
	}
	var found []*mockdb.Document
	for _, document := range newest {
		if !document.IsDeleted && within(document.Key) {
			found = append(found, document)
		}
	}
	sort.Slice(found, func(i, j int) bool { return bytes.Compare(found[i].Key, found[j].Key) < 0 })
	return found, nil
}

// test returns a function that tells whether a key lies within the bounds.
func (b *bounds) test() (func(key []byte) bool, error) {
	low, err := base64.StdEncoding.DecodeString(b.Start + b.ExclStart)
	if err != nil {
		return nil, err
	}
	high, err := base64.StdEncoding.DecodeString(b.End + b.ExclEnd)
	if err != nil {
		return nil, err
	}
	return func(key []byte) bool {
		below, above := bytes.Compare(key, low), bytes.Compare(key, high)
		return (below > 0 || below == 0 && b.ExclStart == "") && (above < 0 || above == 0 && b.ExclEnd == "")
	}, nil
}

// take removes up to limit documents (0: all) and returns them as they are sent.
func (s *scan) take(limit int) []byte {
	if limit == 0 || limit > len(s.left) {
		limit = len(s.left)
	}
	var batch []byte
	for _, document := range s.left[:limit] {
		if !s.keysOnly {
			batch = binary.BigEndian.AppendUint32(batch, document.Flags)
			batch = binary.BigEndian.AppendUint32(batch, expiryOf(document))
			batch = binary.BigEndian.AppendUint64(batch, document.SeqNo)
			batch = binary.BigEndian.AppendUint64(batch, document.Cas)
			batch = append(batch, document.Datatype)
		}
		batch = append(binary.AppendUvarint(batch, uint64(len(document.Key))), document.Key...)
		if !s.keysOnly {
			batch = append(binary.AppendUvarint(batch, uint64(len(document.Value))), document.Value...)
		}
	}
	s.left = s.left[limit:]
	return batch
}

func expiryOf(document *mockdb.Document) uint32 {
	if document.Expiry.IsZero() {
		return 0
	}
	return uint32(document.Expiry.Unix())
}
