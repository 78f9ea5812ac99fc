package nats

import (
	"encoding/binary"
	"slices"
	"testing"
)

// blockOf makes a block of one record, as the engine writes it.
func blockOf(name string, number uint64, subject, message string) []byte {
	block := binary.LittleEndian.AppendUint32(nil, uint32(recordHeader+len(subject)+len(message)+recordChecksum))
	block = binary.LittleEndian.AppendUint64(block, number)
	block = binary.LittleEndian.AppendUint64(block, 1)
	block = binary.LittleEndian.AppendUint16(block, uint16(len(subject)))
	block = append(append(block, subject...), message...)
	return append(block, sum(name, block[4:20], []byte(subject), []byte(message))...)
}

// FuzzVerifyBlock: whatever a block holds, what comes before the damage is as it was written.
func FuzzVerifyBlock(f *testing.F) {
	const name = "presence_journal-1"
	one, two := blockOf(name, 7, "presence.journal", "something"), blockOf(name, 8, "presence.journal", "")
	f.Add([]byte{})
	f.Add(one)
	f.Add(slices.Concat(one, two))
	f.Add(slices.Concat(two, one))
	f.Add(slices.Concat(one, blockOf(name, 5|deletedBits, "", "")))
	f.Add(slices.Concat(one, two[:len(two)-1]))
	f.Fuzz(func(t *testing.T, block []byte) {
		seen := numbers{gapless: true}
		at, why := verifyBlock(name, block, &seen)
		if why == "" {
			return
		}
		if at < 0 || at >= int64(len(block)) {
			t.Fatalf("%s at byte %d of %d", why, at, len(block))
		}
		again := numbers{gapless: true}
		if at, why := verifyBlock(name, block[:at], &again); why != "" || again != seen {
			t.Errorf("what is before is damaged, too, at byte %d: %s", at, why)
		}
	})
}

// FuzzParseIndex: an index with the right checksum may say anything.
func FuzzParseIndex(f *testing.F) {
	const name = "presence_journal"
	index := []byte{indexMagic, 3}
	for _, field := range []uint64{200, 44_000, 1, 1 << 62, 200} {
		index = binary.AppendUvarint(index, field)
	}
	f.Add(index)
	f.Add(index[:len(index)-2])
	f.Add([]byte{indexMagic})
	f.Add([]byte{12, 3, 1, 1, 1, 1, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, index []byte) {
		if got := parseIndex(name, index); got != 0 && (len(index) < recordChecksum+2 || index[0] != indexMagic) {
			t.Errorf("an index of %d bytes says %d", len(index), got)
		}
		last := parseIndex(name, append(index[:len(index):len(index)], sum(name, index)...))
		if fields := len(index) - 2; last != 0 && fields < 5 {
			t.Errorf("an index with %d bytes for five numbers says %d", fields, last)
		}
	})
}
