package identity

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// entry is what is known of temporary credentials.
type entry struct {
	root            string // of the call that issued them
	role            string // ARN, "" without one
	complete        bool   // the root is where the chain begins
	issued, expires time.Time
}

// tell completes the actor of a session that uses the credentials. An AWS
// service that fetched them for a machine or a function is nobody to tell
// apart: all machines of an account have the same. So such a session keeps the
// name that it has when the issuing call was not seen.
func (x *entry) tell(a *Actor) {
	if a.Complete = x.complete; !strings.HasPrefix(x.root, serviceRoot) {
		a.Root = x.root
	}
}

// append writes an entry: two varints of ms since 1970, a byte, and two texts
// with their lengths. Entries of a row follow one another.
func (x *entry) append(b []byte) []byte {
	b = binary.AppendVarint(b, x.issued.UnixMilli())
	b = binary.AppendVarint(b, x.expires.UnixMilli())
	flag := byte(0)
	if x.complete {
		flag = 1
	}
	b = append(b, flag)
	for _, s := range []string{x.root, x.role} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errEntry = errors.New("an entry of issued credentials is damaged")

func decodeEntries(b []byte) (out []entry, err error) {
	all := string(b) // whose parts the texts are
	for len(b) > 0 {
		var x entry
		if x, b, err = decodeEntry(b, all[len(all)-len(b):]); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// decodeEntry reads the first entry of b, whose text is s.
func decodeEntry(b []byte, s string) (x entry, rest []byte, err error) {
	whole := len(b)
	for _, at := range []*time.Time{&x.issued, &x.expires} {
		ms, n := binary.Varint(b)
		if n <= 0 {
			return x, nil, errEntry
		}
		*at, b = time.UnixMilli(ms).UTC(), b[n:]
	}
	if len(b) == 0 || b[0] > 1 {
		return x, nil, errEntry
	}
	x.complete, b = b[0] == 1, b[1:]
	for _, to := range []*string{&x.root, &x.role} {
		size, n := binary.Uvarint(b)
		if n <= 0 || uint64(len(b)-n) < size {
			return x, nil, errEntry
		}
		b = b[n+int(size):]
		end := whole - len(b)
		*to = s[end-int(size) : end]
	}
	return x, b, nil
}
