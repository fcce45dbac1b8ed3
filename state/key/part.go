package key

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// A string ends with 00 01; a zero byte in it is written 00 ff. Both sort
// below every other continuation as they must: the end of a string before any
// byte, and a zero byte after the end and before the rest.
const (
	escape     = 0x00
	terminator = 0x01
	zero       = 0xff
)

// AppendString appends s so that keys order as the strings do, whatever
// follows.
func AppendString(k []byte, s string) []byte {
	for i := range len(s) {
		k = append(k, s[i])
		if s[i] == escape {
			k = append(k, zero)
		}
	}
	return append(k, escape, terminator)
}

// TakeString reads what AppendString wrote and returns the rest of the key.
func TakeString(k []byte) (s string, rest []byte, err error) {
	var out []byte
	for {
		i := bytes.IndexByte(k, escape)
		if i < 0 || i+1 == len(k) {
			return "", nil, ErrTruncated
		}
		out = append(out, k[:i]...)
		mark := k[i+1]
		k = k[i+2:]
		switch mark {
		case terminator:
			return string(out), k, nil
		case zero:
			out = append(out, 0)
		default:
			return "", nil, fmt.Errorf("state key: byte %#x after a zero byte", mark)
		}
	}
}

// AppendUint64 appends v in 8 bytes.
func AppendUint64(k []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(k, v)
}

// TakeUint64 reads what AppendUint64 wrote.
func TakeUint64(k []byte) (v uint64, rest []byte, err error) {
	if len(k) < 8 {
		return 0, nil, ErrTruncated
	}
	return binary.BigEndian.Uint64(k), k[8:], nil
}

// AppendInt64 appends v in 8 bytes, negative numbers first.
func AppendInt64(k []byte, v int64) []byte {
	return AppendUint64(k, uint64(v)^1<<63)
}

// TakeInt64 reads what AppendInt64 wrote.
func TakeInt64(k []byte) (v int64, rest []byte, err error) {
	u, rest, err := TakeUint64(k)
	return int64(u ^ 1<<63), rest, err
}

// AppendTime appends t in milliseconds since 1970; finer parts are cut off.
func AppendTime(k []byte, t time.Time) []byte {
	return AppendInt64(k, t.UnixMilli())
}

// TakeTime reads what AppendTime wrote, in UTC.
func TakeTime(k []byte) (t time.Time, rest []byte, err error) {
	ms, rest, err := TakeInt64(k)
	if err != nil {
		return time.Time{}, nil, err
	}
	return time.UnixMilli(ms).UTC(), rest, nil
}
