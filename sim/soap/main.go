// SPDX-License-Identifier: Apache-2.0

// vsphere-sim-soap is the Web Services half of vsphere-sim: govmomi's simulator for inventory and
// property collection, and a TLS front before it that answers what the simulator lacks. Whatever
// touches disks is asked of the process that started it, over file descriptor 3.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetOutput(io.Discard) // the library logs requests; nothing of those may be printed
	control, err := net.FileConn(os.NewFile(3, "control"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "vsphere-sim-soap: is started by vsphere-sim, with a socket as file descriptor 3")
		os.Exit(2)
	}
	ch := newChannel(control)
	if err := serve(ch); err != nil {
		ch.send(readyLine{Error: err.Error()})
		os.Exit(1)
	}
}

// serve runs until the other side of the channel says stop or closes.
func serve(ch *channel) error {
	conf, err := ch.readConfig()
	if err != nil {
		return err
	}
	inv, err := newInventory(conf)
	if err != nil {
		return err
	}
	f := newFront(conf, ch, inv)
	listener, err := f.listen()
	if err != nil {
		return err
	}
	go f.serve(listener)
	ready := readyLine{Ready: true, Port: listener.Addr().(*net.TCPAddr).Port}
	ready.VMs, ready.Datastores = inv.morefs()
	if err := ch.send(ready); err != nil {
		return err
	}
	f.stopOnSignal()
	ch.run(func(a answer) {
		switch a.Event {
		case "stop":
			f.stop()
		case "fault":
			struck := f.switches.change(a.Fault, a.Value)
			if a.Told {
				ch.send(fields{"told": a.Fault, "struck": struck})
			}
		}
	})
	f.stop()
	return nil
}

// stopOnSignal ends cleanly on SIGTERM. An interrupt typed at the terminal is for the process that
// started this one, which then closes the channel.
func (f *front) stopOnSignal() {
	signal.Ignore(syscall.SIGINT)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		f.stop()
	}()
}

// stop ends the program, without the exports it holds.
func (f *front) stop() {
	f.leases.dropAll()
	os.Exit(0)
}
