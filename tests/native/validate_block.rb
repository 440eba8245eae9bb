# Checks a Vagrantfile's block for one provider with the provider's own class for it, where `vagrant validate` would insist
# on a provider that works. Usage: ruby validate_block.rb DIRECTORY MACHINE PROVIDER
require "socket"
require "vagrant"

directory, machine, provider = ARGV
environment = Vagrant::Environment.new(cwd: directory, ui_class: Vagrant::UI::Silent)
configuration = environment.vagrantfile.machine_config(machine.to_sym, provider.to_sym, nil, nil, false)
block = configuration[:config].vm.get_provider_config(provider.to_sym)
abort "Vagrant does not know #{provider}" if block.nil?

# All that a class asks of a machine: its configuration, and which network cards the host has.
Driver = Struct.new(:host_devices)
Provider = Struct.new(:driver)
Machine = Struct.new(:config, :name, :provider_config, :provider)
cards = Socket.getifaddrs.map(&:name).uniq
stand_in = Machine.new(configuration[:config], machine, block, Provider.new(Driver.new(cards)))
problems = Array(configuration[:config_errors]) + block.validate(stand_in).values.flatten
abort problems.join("\n") unless problems.empty?
