package cloudtrail

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
)

// An aggregate of the Kinesis Producer Library is the magic, a protobuf message
// and the MD5 of that message:
//
//	message AggregatedRecord {
//	  repeated string partition_key_table     = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records                 = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index     = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes  data                    = 3;
//	  repeated Tag    tags                    = 4;
//	}
const aggregateMagic = "\xf3\x89\x9a\xc2"

// isAggregate tells by the magic; a zero byte may stand before it, with which
// the Kinesis adapter keeps the client library from splitting the record.
func isAggregate(p []byte) bool { return bytes.HasPrefix(unmask(p), []byte(aggregateMagic)) }

func unmask(p []byte) []byte {
	if len(p) > 0 && p[0] == 0 {
		return p[1:]
	}
	return p
}

var (
	errChecksum = errors.New("the MD5 behind the message is not that of the message")
	errProtobuf = errors.New("the message is no protobuf")
	errKeyIndex = errors.New("the part names a partition key that the aggregate does not have")
)

// aggregate decodes the parts of an aggregate.
func (d *Decoder) aggregate(p []byte, depth int) {
	body := unmask(p)[len(aggregateMagic):]
	if len(body) < md5.Size {
		d.reject(reasonBadAggregate, errChecksum, p)
		return
	}
	body, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if md5.Sum(body) != [md5.Size]byte(sum) {
		d.reject(reasonBadAggregate, errChecksum, p)
		return
	}
	keys, records, ok := readAggregate(body)
	if !ok {
		d.reject(reasonBadAggregate, errProtobuf, p)
		return
	}
	for _, r := range records {
		d.part(keys, r, depth)
	}
}

func (d *Decoder) part(keys [][]byte, record []byte, depth int) {
	index, data, ok := readPart(record)
	switch {
	case !ok:
		d.reject(reasonBadAggregate, errProtobuf, record)
		return
	case index >= uint64(len(keys)):
		d.reject(reasonBadAggregate, errKeyIndex, data)
		return
	}
	outer := d.key
	if !d.inParts {
		// Events of an aggregate inside a list have predecessors without a key.
		d.out.Keys = make([]string, len(d.out.Events))
	}
	d.key, d.inParts = string(keys[index]), true
	d.layer(data, depth+1, true)
	d.key = outer
}

func readAggregate(message []byte) (keys, records [][]byte, ok bool) {
	for len(message) > 0 {
		f, rest, ok := readField(message)
		if !ok || (f.number == 1 || f.number == 3) && f.bytes == nil {
			return nil, nil, false
		}
		switch message = rest; f.number {
		case 1:
			keys = append(keys, f.bytes)
		case 3:
			records = append(records, f.bytes)
		}
	}
	return keys, records, true
}

func readPart(message []byte) (index uint64, data []byte, ok bool) {
	hasIndex := false
	for len(message) > 0 {
		f, rest, ok := readField(message)
		if !ok {
			return 0, nil, false
		}
		switch message = rest; f.number {
		case 1:
			index, hasIndex = f.varint, f.bytes == nil
		case 3:
			data = f.bytes
		}
	}
	return index, data, hasIndex && data != nil
}

// field is one field of a protobuf message; bytes is nil unless it has a length.
type field struct {
	number uint64
	varint uint64
	bytes  []byte
}

// readField reads the field at the start of m by the wire types 0 (varint), 1
// (8 bytes), 2 (length and bytes) and 5 (4 bytes); groups have no use here.
func readField(m []byte) (f field, rest []byte, ok bool) {
	tag, n := binary.Uvarint(m)
	if n <= 0 || tag>>3 == 0 {
		return f, nil, false
	}
	f.number, m = tag>>3, m[n:]
	switch tag & 7 {
	case 0:
		if f.varint, n = binary.Uvarint(m); n <= 0 {
			return f, nil, false
		}
		return f, m[n:], true
	case 1:
		return f, m[min(8, len(m)):], len(m) >= 8
	case 5:
		return f, m[min(4, len(m)):], len(m) >= 4
	case 2:
		size, n := binary.Uvarint(m)
		if n <= 0 || size > uint64(len(m)-n) {
			return f, nil, false
		}
		f.bytes = m[n : n+int(size) : n+int(size)]
		return f, m[n+int(size):], true
	}
	return f, nil, false
}
