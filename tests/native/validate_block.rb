# Checks a Vagrantfile's block for one provider with Vagrant's own class for it, where `vagrant validate` would insist on
# the provider itself. Usage: ruby validate_block.rb DIRECTORY MACHINE PROVIDER
require "vagrant"

directory, machine, provider = ARGV
environment = Vagrant::Environment.new(cwd: directory, ui_class: Vagrant::UI::Silent)
found = environment.vagrantfile.machine_config(machine.to_sym, provider.to_sym, nil, nil, false)
block = found[:config].vm.get_provider_config(provider.to_sym)
abort "Vagrant does not know #{provider}" if block.nil?
stand_in = Struct.new(:config, :name).new(found[:config], machine)
problems = Array(found[:config_errors]) + block.validate(stand_in).values.flatten
abort problems.join("\n") unless problems.empty?
