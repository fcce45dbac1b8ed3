package processortest

import (
	"crypto/md5"
	"encoding/binary"
	"slices"
)

// Aggregate packs records as the Kinesis Producer Library does: a magic number,
// a protobuf message and its MD5.
//
//	message AggregatedRecord {
//	  repeated string partition_key_table = 1;
//	  repeated Record records             = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index = 1;
//	  required bytes  data                = 3;
//	}
func Aggregate(parts []Produced) []byte {
	var keys []string
	var message, records []byte
	for _, p := range parts {
		at := slices.Index(keys, p.PartitionKey)
		if at < 0 {
			at = len(keys)
			keys = append(keys, p.PartitionKey)
			message = appendBytes(message, 1, []byte(p.PartitionKey))
		}
		record := binary.AppendUvarint([]byte{1 << 3}, uint64(at))
		records = appendBytes(records, 3, appendBytes(record, 3, p.Data))
	}
	message = append(message, records...)
	sum := md5.Sum(message)
	return slices.Concat([]byte("\xf3\x89\x9a\xc2"), message, sum[:])
}

// appendBytes appends a protobuf field that has a length.
func appendBytes(to []byte, number byte, data []byte) []byte {
	to = append(to, number<<3|2)
	to = binary.AppendUvarint(to, uint64(len(data)))
	return append(to, data...)
}
