package netfilter

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watcher hears of every change to nftables and keeps those of our tables.
type watcher struct {
	socket *os.File
	hints  chan struct{}
}

// watch subscribes, in the network namespace of the calling thread.
func watch() (*watcher, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &watcher{socket: os.NewFile(uintptr(fd), "nftables"), hints: make(chan struct{}, 1)}, nil
}

func (w *watcher) close() { w.socket.Close() }

// run reads until the socket is closed. A lost notification (ENOBUFS) counts as
// a change of everything.
func (w *watcher) run(forget func(families ...uint8)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.socket.Read(buffer)
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		harmed := ourFamilies
		if err == nil {
			harmed = harmedFamilies(buffer[:n])
		}
		if len(harmed) > 0 {
			forget(harmed...)
			w.hint()
		}
	}
}

// hint never blocks: a second hint before the first is taken adds nothing.
func (w *watcher) hint() {
	select {
	case w.hints <- struct{}{}:
	default:
	}
}

// ourFamilies are those that we have a table in.
var ourFamilies = []uint8{unix.NFPROTO_INET, unix.NFPROTO_ARP}

// harmedFamilies lists the families of those of our tables that messages tell a
// harmful change of.
func harmedFamilies(raw []byte) []uint8 {
	messages, err := syscall.ParseNetlinkMessage(raw)
	if err != nil {
		return ourFamilies
	}
	var out []uint8
	for _, message := range messages {
		if len(message.Data) == 0 {
			continue
		}
		if harms(message.Header.Type) && tableOf(message.Data) == table {
			out = append(out, message.Data[0]) // nfgenmsg begins with the family
		}
	}
	return out
}

// harms tells whether a change may take away from our tables, or put a rule in
// front of ours. New tables, chains, sets and elements change nothing of it.
func harms(messageType uint16) bool {
	if messageType>>8 != unix.NFNL_SUBSYS_NFTABLES {
		return false
	}
	switch messageType & 0xff {
	case unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSETELEM, unix.NFT_MSG_NEWRULE:
		return true
	}
	return false
}

// tableOf reads the name of the table that a message is about, which is
// attribute 1 in messages of every kind (linux/netfilter/nf_tables.h).
func tableOf(data []byte) string {
	const nfgenmsg, attributeHeader, tableAttribute, typeMask = 4, 4, 1, 0x3fff
	for at := nfgenmsg; at+attributeHeader <= len(data); {
		length := int(binary.NativeEndian.Uint16(data[at:]))
		kind := binary.NativeEndian.Uint16(data[at+2:]) & typeMask
		if length < attributeHeader || at+length > len(data) {
			return ""
		}
		if kind == tableAttribute {
			return unix.ByteSliceToString(data[at+attributeHeader : at+length])
		}
		at += (length + 3) &^ 3
	}
	return ""
}
